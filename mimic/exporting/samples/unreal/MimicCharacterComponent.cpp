// SPDX: Apache-2.0
#include "MimicCharacterComponent.h"
#include "Misc/Paths.h"
#include "mimic_mujoco.hpp"

UMimicCharacterComponent::UMimicCharacterComponent() { PrimaryComponentTick.bCanEverTick = true; }
UMimicCharacterComponent::~UMimicCharacterComponent() = default;

void UMimicCharacterComponent::BeginPlay()
{
	Super::BeginPlay();
	const std::string Folder = TCHAR_TO_UTF8(*FPaths::Combine(FPaths::ProjectContentDir(), Bundle));
	try
	{
		Stage = std::make_unique<mimic::Stage>(Folder);
		const mimic::Json Conventions = mimic::Controller::read_json(Folder + "/conventions.json");
		Frame = std::make_unique<mimic::Frame>(Conventions["engines"]["unreal"]);
		WritePose();
	}
	catch (const std::exception& Error)
	{
		Stage.reset();
		UE_LOG(LogTemp, Error, TEXT("mimic: %s"), UTF8_TO_TCHAR(Error.what()));
	}
}

void UMimicCharacterComponent::Restart(float ClipTime)
{
	if (!Stage) return;
	Stage->start(Stage->controller.start_state(ClipTime));
	Behind = 0.0;
	WritePose();
}

void UMimicCharacterComponent::TickComponent(float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction)
{
	Super::TickComponent(DeltaTime, TickType, ThisTickFunction);
	if (!Stage) return;
	// Whole control steps only: the controller's rate is not the game's. After a long frame it does not catch up for ever.
	Behind = FMath::Min(Behind + DeltaTime, 0.25);
	for (; Behind >= Stage->controller.control_dt; Behind -= Stage->controller.control_dt) Stage->step();
	WritePose();
}

void UMimicCharacterComponent::WritePose()
{
	const mjModel* Model = Stage->model.get();
	const mjData* Data = Stage->data.get();
	BonePose.SetNum(Model->nbody - 1); // body 0 is the world
	for (int32 Body = 1; Body < Model->nbody; ++Body)
	{
		const mjtNum* P = Data->xpos + 3 * Body;
		const mjtNum* Q = Data->xquat + 4 * Body;
		const mimic::Vec Position = Frame->position({P[0], P[1], P[2]});
		const mimic::Quat Rotation = Frame->rotation({Q[0], Q[1], Q[2], Q[3]}); // x, y, z, w, as FQuat has them
		BonePose[Body - 1] = FTransform(FQuat(Rotation[0], Rotation[1], Rotation[2], Rotation[3]), FVector(Position[0], Position[1], Position[2]));
	}
}

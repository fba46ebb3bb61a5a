// A mimic controller in Unreal, simulated by MuJoCo's C library. SPDX: Apache-2.0. See ../README.md.
#pragma once

#include "CoreMinimal.h"
#include "Components/ActorComponent.h"
#include <memory>
#include "MimicCharacterComponent.generated.h"

namespace mimic { class Stage; class Frame; }

UCLASS(ClassGroup = (Mimic), meta = (BlueprintSpawnableComponent))
class UMimicCharacterComponent : public UActorComponent
{
	GENERATED_BODY()

public:
	UMimicCharacterComponent();
	virtual ~UMimicCharacterComponent() override;

	/** Folder of the bundle, below Content. */
	UPROPERTY(EditAnywhere, Category = "Mimic")
	FString Bundle = TEXT("cartwheel");

	/** Bodies in skeleton.json's order, in the actor's space: centimetres, Unreal's axes. */
	UPROPERTY(BlueprintReadOnly, Category = "Mimic")
	TArray<FTransform> BonePose;

	/** Put the character at a moment of the clip [s]. */
	UFUNCTION(BlueprintCallable, Category = "Mimic")
	void Restart(float ClipTime);

	virtual void BeginPlay() override;
	virtual void TickComponent(float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction) override;

private:
	void WritePose();

	std::unique_ptr<mimic::Stage> Stage;
	std::unique_ptr<mimic::Frame> Frame;
	double Behind = 0.0;
};

// policy.onnx in Unreal's NNE (plug-in NNERuntimeORT). SPDX: Apache-2.0
// Modules: "NNE". Used in place of mimic::Controller::act, with the observation of mimic::Controller::observe.
#pragma once

#include "CoreMinimal.h"
#include "NNE.h"
#include "NNEModelData.h"
#include "NNERuntimeCPU.h"

class FMimicNnePolicy
{
public:
	/** False, and a line in the log, where the runtime is missing or refuses the model. */
	bool Load(TObjectPtr<UNNEModelData> ModelData, int32 InObsDim, int32 InActDim)
	{
		ObsDim = InObsDim;
		Output.SetNumZeroed(InActDim);
		TWeakInterfacePtr<INNERuntimeCPU> Runtime = UE::NNE::GetRuntime<INNERuntimeCPU>(TEXT("NNERuntimeORTCpu"));
		TSharedPtr<UE::NNE::IModelCPU> Model = Runtime.IsValid() ? Runtime->CreateModelCPU(ModelData) : nullptr;
		Instance = Model.IsValid() ? Model->CreateModelInstanceCPU() : nullptr;
		if (!Instance.IsValid())
		{
			UE_LOG(LogTemp, Error, TEXT("mimic: NNE cannot run this policy; is the plug-in NNERuntimeORT enabled?"));
			return false;
		}
		const TArray<uint32> Shape = {1, static_cast<uint32>(ObsDim)};
		const TArray<UE::NNE::FTensorShape> Shapes = {UE::NNE::FTensorShape::Make(Shape)};
		return Instance->SetInputTensorShapes(Shapes) == UE::NNE::IModelInstanceCPU::ESetInputTensorShapesStatus::Ok;
	}

	/** Observation to action; empty if it fails. */
	TArray<float> Act(TArray<float>& Observation)
	{
		check(Observation.Num() == ObsDim);
		const TArray<UE::NNE::FTensorBindingCPU> Inputs = {{Observation.GetData(), static_cast<uint64>(Observation.Num() * sizeof(float))}};
		const TArray<UE::NNE::FTensorBindingCPU> Outputs = {{Output.GetData(), static_cast<uint64>(Output.Num() * sizeof(float))}};
		const bool bGood = Instance->RunSync(Inputs, Outputs) == UE::NNE::IModelInstanceCPU::ERunSyncStatus::Ok;
		return bGood ? Output : TArray<float>();
	}

private:
	TSharedPtr<UE::NNE::IModelInstanceCPU> Instance;
	TArray<float> Output;
	int32 ObsDim = 0;
};

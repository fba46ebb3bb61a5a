// policy.onnx in Unity Sentis (package com.unity.ai.inference 2.2 or later). SPDX: Apache-2.0
using System;
using Unity.InferenceEngine;
using UnityEngine;

public class SentisPolicy : MonoBehaviour
{
    [Tooltip("policy.onnx, as an asset")]
    public ModelAsset policy;

    Worker worker;

    void Awake() { worker = new Worker(ModelLoader.Load(policy), BackendType.CPU); }

    void OnDestroy() { if (worker != null) worker.Dispose(); }

    /// <summary>Observation to action. A network this small is fastest on the CPU.</summary>
    public double[] Act(double[] observation)
    {
        using (var input = new Tensor<float>(new TensorShape(1, observation.Length), Array.ConvertAll(observation, x => (float)x)))
        {
            worker.Schedule(input);
            var output = worker.PeekOutput() as Tensor<float>;
            return Array.ConvertAll(output.DownloadToArray(), x => (double)x);
        }
    }
}

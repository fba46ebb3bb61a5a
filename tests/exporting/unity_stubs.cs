// Stand-ins for what samples/unity names of Unity, Sentis and the MuJoCo plug-in, so that a compiler reads the samples.
using System;

namespace UnityEngine
{
    public class Object { public static T FindObjectOfType<T>() where T : class { return null; } }
    public class Component : Object { public T GetComponent<T>() where T : class { return null; } }
    public class MonoBehaviour : Component { }
    public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }
    public static class Application { public static string streamingAssetsPath; }
    public static class Time { public static float fixedDeltaTime; }
    public static class Debug { public static void LogWarning(object message) { } }
}

namespace Unity.InferenceEngine
{
    public class ModelAsset { }
    public class Model { }
    public static class ModelLoader { public static Model Load(ModelAsset asset) { return null; } }
    public enum BackendType { CPU }
    public struct TensorShape { public TensorShape(int d0, int d1) { } }
    public abstract class Tensor : IDisposable { public void Dispose() { } }
    public class Tensor<T> : Tensor { public Tensor(TensorShape shape, T[] data) { } public T[] DownloadToArray() { return null; } }
    public class Worker : IDisposable
    {
        public Worker(Model model, BackendType backend) { }
        public void Schedule(Tensor input) { }
        public Tensor PeekOutput() { return null; }
        public void Dispose() { }
    }
}

namespace Mujoco
{
    public class MjFreeJoint { public int QposAddress, DofAddress; }
    public unsafe class MujocoLib { public struct mjData_ { public double* qpos, qvel, qfrc_applied; } }
    public unsafe class MjScene
    {
        public static MjScene Instance;
        public static bool InstanceExists;
        public MujocoLib.mjData_* Data;
        public EventHandler preUpdateEvent;
    }
}

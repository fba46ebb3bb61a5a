// A mimic controller in Unity with the official MuJoCo plug-in. SPDX: Apache-2.0
// Fixed Timestep must be control.json's sim_dt; unsafe code must be allowed. See ../README.md.
using System;
using System.IO;
using Mimic;
using Mujoco;
using UnityEngine;

public class MimicCharacter : MonoBehaviour
{
    [Tooltip("Folder of the bundle, below StreamingAssets")]
    public string bundle = "cartwheel";

    [Tooltip("Seconds into the clip at which it starts")]
    public float startTime = 0f;

    Controller controller;
    Clock clock;
    SentisPolicy sentis;
    double[] qpos, qvel, target;
    int tick, firstQpos, firstQvel;

    void Start()
    {
        controller = Controller.Load(Path.Combine(Application.streamingAssetsPath, bundle));
        sentis = GetComponent<SentisPolicy>();
        qpos = new double[controller.Nq];
        qvel = new double[controller.Nv];
        if (Math.Abs(Time.fixedDeltaTime - controller.SimDt) > 1e-6)
            Debug.LogWarning("Fixed Timestep is " + Time.fixedDeltaTime + " s, this controller needs " + controller.SimDt + " s");
        MjScene.Instance.preUpdateEvent += BeforeStep;
    }

    void OnDestroy()
    {
        if (MjScene.InstanceExists) MjScene.Instance.preUpdateEvent -= BeforeStep;
    }

    /// <summary>Put the character at a moment of the clip.</summary>
    public unsafe void Restart(double clipTime)
    {
        MujocoLib.mjData_* data = MjScene.Instance.Data;
        State state = controller.StartState(clipTime);
        for (int i = 0; i < qpos.Length; i++) data->qpos[firstQpos + i] = state.Qpos[i];
        for (int i = 0; i < qvel.Length; i++) data->qvel[firstQvel + i] = state.Qvel[i];
        clock = state.Clock;
        tick = 0;
    }

    // Before every physics step: think every `Substeps` steps, push at every one.
    unsafe void BeforeStep(object sender, EventArgs arguments)
    {
        MujocoLib.mjData_* data = MjScene.Instance.Data;
        if (clock == null)
        {
            MjFreeJoint root = FindObjectOfType<MjFreeJoint>(); // the character's joints follow its root's
            firstQpos = root.QposAddress;
            firstQvel = root.DofAddress;
            Restart(startTime);
        }
        for (int i = 0; i < qpos.Length; i++) qpos[i] = data->qpos[firstQpos + i];
        for (int i = 0; i < qvel.Length; i++) qvel[i] = data->qvel[firstQvel + i];
        if (tick % controller.Substeps == 0)
        {
            if (tick > 0) controller.Advance(clock, qpos);
            double[] observation = controller.Observe(qpos, qvel, clock);
            double[] action = sentis != null ? sentis.Act(observation) : controller.Act(observation);
            target = controller.Target(action, clock);
        }
        double[] motors = controller.Motors(target, qpos, qvel);
        for (int i = 0; i < motors.Length; i++) data->qfrc_applied[firstQvel + 6 + i] = motors[i]; // as motors of gear 1
        tick++;
    }
}

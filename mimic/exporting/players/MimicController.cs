// mimic controller bundles in C#: one file, no dependencies, for Unity, Godot .NET and anything else. SPDX: Apache-2.0
//
//     var c = Mimic.Controller.Load("cartwheel.mimic");       // or new Controller(name => bytes of a file of the bundle)
//     var s = c.StartState(0.0);                              // copy s.Qpos, s.Qvel into your simulation
//     // every c.ControlDt seconds:
//     double[] target = c.Control(qpos, qvel, s.Clock);
//     for (int i = 0; i < c.Substeps; i++) {                  // every c.SimDt seconds
//         double[] motor = c.Motors(target, qpos, qvel);      // torques for the motors of character.xml
//         ... one physics step ...
//     }
//     c.Advance(s.Clock, qpos);                               // true: a clip that does not loop is over
//
// State is MuJoCo's: qpos (nq) and qvel (nv) as skeleton.json says; z up, metres, radians, quaternions wxyz. Frame turns
// it into your engine's axes and back (conventions.json). The motors' formula expects that the engine itself damps every
// joint by kd and gives it its armature. Written in C# 6, so that old compilers read it too.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace Mimic
{
    /// <summary>Where in the clip we are [s], and where the clip lies in the world [m, rad].</summary>
    public sealed class Clock
    {
        public double ClipTime, Yaw;
        public double[] Origin = new double[3];

        public Clock Copy() { return new Clock { ClipTime = ClipTime, Yaw = Yaw, Origin = (double[])Origin.Clone() }; }
    }

    public sealed class State
    {
        public double[] Qpos, Qvel;
        public Clock Clock;
    }

    public sealed class Controller
    {
        public const int SchemaVersion = 1;
        public readonly double ControlDt, SimDt;
        public readonly int Substeps, Nq, Nv, ObsDim, ActDim;

        sealed class Tensor { public int[] Shape; public float[] Data; }
        struct Joint { public bool Ball; public double[] Axis; public int Qpos, Qvel, Dof, Dofs; public double Kp, Kd, Limit; }
        struct Body { public int Parent, Joint; public double[] Offset, Com; }

        readonly List<Joint> joints = new List<Joint>();
        readonly List<Body> bodies = new List<Body>();
        readonly List<string> fields = new List<string>();
        readonly List<int> targetSteps = new List<int>();
        readonly Dictionary<string, Tensor> tensors = new Dictionary<string, Tensor>();
        readonly double[] offset, scale, displacement, first;
        readonly double leadS, duration, rate, cycleYaw, clipFps;
        readonly int layers, clipFrames;
        readonly bool fromReference, headingFrame, loop, syncPos, syncYaw;

        public static Controller Load(string folder) { return new Controller(name => File.ReadAllBytes(Path.Combine(folder, name))); }

        /// <summary>A JSON file of a bundle; refuses another schema version.</summary>
        public static Json ReadJson(Func<string, byte[]> read, string name)
        {
            Json part = Json.Parse(Encoding.UTF8.GetString(read(name)));
            if (part["schema_version"].Whole != SchemaVersion)
                throw new InvalidDataException(name + ": schema version " + part["schema_version"].Whole + ", this file reads " + SchemaVersion);
            return part;
        }

        public Controller(Func<string, byte[]> read)
        {
            Json skeleton = ReadJson(read, "skeleton.json"), control = ReadJson(read, "control.json");
            Json observation = ReadJson(read, "observation.json"), weights = ReadJson(read, "weights.json");
            Json reference = ReadJson(read, "reference.json");
            Nq = skeleton["nq"].Whole;
            Nv = skeleton["nv"].Whole;
            ActDim = skeleton["num_actuated"].Whole;
            for (int i = 0; i < skeleton["joints"].Items.Count; i++)
            {
                Json j = skeleton["joints"].Items[i], servo = control["joints"].Items[i];
                bool ball = j["kind"].Text == "ball";
                joints.Add(new Joint
                {
                    Ball = ball, Axis = ball ? null : j["axis"].Numbers(), Qpos = j["qpos"].Whole, Qvel = j["qvel"].Whole,
                    Dof = j["dof"].Whole, Dofs = j["dofs"].Whole, Kp = servo["kp"].Number, Kd = servo["kd"].Number,
                    Limit = servo["torque_limit"].Number
                });
            }
            foreach (Json b in skeleton["bodies"].Items)
                bodies.Add(new Body { Parent = b["parent"].Whole, Joint = b["joint"].Whole, Offset = b["offset"].Numbers(), Com = b["com"].Numbers() });
            ControlDt = control["control_dt"].Number;
            SimDt = control["sim_dt"].Number;
            Substeps = control["substeps"].Whole;
            fromReference = control["action"]["mode"].Text == "reference";
            leadS = control["action"]["lead_s"].Number;
            offset = control["action"]["offset"].Numbers();
            scale = control["action"]["scale"].Numbers();
            syncPos = control["task"]["sync_root_pos"].Truth;
            syncYaw = control["task"]["sync_root_yaw"].Truth;
            ObsDim = observation["dim"].Whole;
            headingFrame = observation["frame"].Text == "heading";
            foreach (Json field in observation["fields"].Items) fields.Add(field["name"].Text);
            foreach (Json steps in observation["target_steps"].Items) targetSteps.Add(steps.Whole);
            duration = reference["duration"].Number;
            loop = reference["loop"].Truth;
            rate = reference["table"]["rate"].Number;
            displacement = reference["cycle"]["displacement"].Numbers();
            first = reference["cycle"]["first_pos"].Numbers();
            cycleYaw = reference["cycle"]["yaw"].Number;
            clipFps = reference["clip_fps"].Number;
            clipFrames = reference["clip_frames"].Whole;
            layers = weights["layers"].Whole;
            Unpack(weights["tensors"], read("weights.bin"));
            Unpack(reference["tensors"], read("reference.bin"));
        }

        void Unpack(Json index, byte[] bytes)
        {
            foreach (KeyValuePair<string, Json> entry in index.Members)
            {
                double[] shape = entry.Value["shape"].Numbers();
                double count = 1, offset = entry.Value["offset"].Number;
                foreach (double size in shape) count *= size;
                if (count < 0 || offset < 0 || offset + 4 * count > bytes.Length)
                    throw new InvalidDataException(entry.Key + ": the binary file is too short");
                var tensor = new Tensor { Shape = Array.ConvertAll(shape, x => (int)x), Data = new float[(int)count] };
                Buffer.BlockCopy(bytes, (int)offset, tensor.Data, 0, 4 * tensor.Data.Length); // little-endian, as every engine's platforms
                tensors[entry.Key] = tensor;
            }
        }

        /// <summary>State and clock of the clip at a moment, to the nearest frame of reference.json.</summary>
        public State StartState(double clipTime, double[] origin = null, double yaw = 0)
        {
            origin = origin ?? new double[3];
            int frame = Math.Min(Math.Max((int)Math.Round(clipTime * clipFps), 0), clipFrames - 1);
            double[] qpos = Row("clip.qpos", frame), qvel = Row("clip.qvel", frame), turn = M.Yaw(yaw);
            M.Put(qpos, 0, M.Add(M.Rotate(turn, M.Sub3(qpos, 0)), origin));
            M.Put(qpos, 3, M.Mul(turn, M.Normalize(M.Sub4(qpos, 3))));
            M.Put(qvel, 0, M.Rotate(turn, M.Sub3(qvel, 0)));
            var clock = new Clock { ClipTime = Math.Min(frame / clipFps, duration), Origin = (double[])origin.Clone(), Yaw = yaw };
            return new State { Qpos = qpos, Qvel = qvel, Clock = clock };
        }

        public double[] Control(double[] qpos, double[] qvel, Clock clock) { return Target(Act(Observe(qpos, qvel, clock)), clock); }

        /// <summary>The observation, ObsDim numbers (observation.json).</summary>
        public double[] Observe(double[] qpos, double[] qvel, Clock clock)
        {
            Need(qpos, Nq, "qpos");
            Need(qvel, Nv, "qvel");
            var result = new List<double>(ObsDim);
            Seen seen = Look(qpos, qvel, clock);
            foreach (string field in fields) AppendField(result, field, seen, qpos, qvel, clock);
            double[] observation = result.ToArray();
            Need(observation, ObsDim, "observation");
            return observation;
        }

        /// <summary>The policy: observation to action, ActDim numbers.</summary>
        public double[] Act(double[] observation)
        {
            Need(observation, ObsDim, "observation");
            float[] shift = tensors["shift"].Data, gain = tensors["scale"].Data, bound = tensors["bound"].Data;
            var x = new double[ObsDim];
            for (int i = 0; i < x.Length; i++) x[i] = Math.Max(-bound[i], Math.Min(bound[i], (observation[i] - shift[i]) * gain[i]));
            for (int layer = 0; layer < layers; layer++)
            {
                Tensor weight = tensors["weight." + layer];
                float[] bias = tensors["bias." + layer].Data;
                int outputs = weight.Shape[0], inputs = weight.Shape[1];
                var y = new double[outputs];
                for (int o = 0; o < outputs; o++)
                {
                    double sum = bias[o];
                    for (int i = 0, at = o * inputs; i < inputs; i++) sum += weight.Data[at + i] * x[i];
                    y[o] = layer < layers - 1 ? Math.Max(0, sum) : sum;
                }
                x = y;
            }
            return x;
        }

        /// <summary>Servo targets [rad]: rotation vectors of ball joints, angles of hinges.</summary>
        public double[] Target(double[] action, Clock clock)
        {
            Need(action, ActDim, "action");
            double[] target = fromReference ? LookUp("table.pd_target", Ahead(clock, leadS).ClipTime) : (double[])offset.Clone();
            for (int i = 0; i < target.Length; i++) target[i] += scale[i] * action[i];
            return target;
        }

        /// <summary>Torques for the motors [N m]; call at every physics step.</summary>
        public double[] Motors(double[] target, double[] qpos, double[] qvel)
        {
            Need(target, ActDim, "target");
            var motors = new double[ActDim];
            foreach (Joint j in joints)
            {
                double[] error = j.Ball
                    ? M.ToRotvec(M.Mul(M.Conj(M.Sub4(qpos, j.Qpos)), M.FromRotvec(M.Sub3(target, j.Dof))))
                    : new[] { target[j.Dof] - qpos[j.Qpos] };
                double square = 0;
                for (int k = 0; k < j.Dofs; k++)
                {
                    error[k] = j.Kp * error[k] - j.Kd * qvel[j.Qvel + k];
                    square += error[k] * error[k];
                }
                double share = j.Limit / Math.Max(j.Limit, Math.Sqrt(square));
                for (int k = 0; k < j.Dofs; k++) motors[j.Dof + k] = error[k] * share + j.Kd * qvel[j.Qvel + k];
            }
            return motors;
        }

        /// <summary>One control step on; closes cycles as the task says. True: a clip that does not loop is over.</summary>
        public bool Advance(Clock clock, double[] qpos)
        {
            clock.ClipTime += ControlDt;
            if (!loop)
            {
                clock.ClipTime = Math.Min(clock.ClipTime, duration);
                return clock.ClipTime >= duration - 1e-9;
            }
            if (clock.ClipTime < duration) return false;
            Clock next = NextCycle(clock);
            clock.ClipTime = next.ClipTime;
            clock.Origin = next.Origin;
            clock.Yaw = next.Yaw;
            double[] pos, quat;
            if (syncYaw)
            {
                Root(clock.ClipTime, new double[3], 0, out pos, out quat);
                clock.Yaw = M.Heading(M.Sub4(qpos, 3)) - M.Heading(quat);
            }
            if (syncPos)
            {
                Root(clock.ClipTime, new double[3], clock.Yaw, out pos, out quat);
                clock.Origin = new[] { qpos[0] - pos[0], qpos[1] - pos[1], 0 };
            }
            return false;
        }

        /// <summary>The clip's own pose now (nq), for a ghost beside the simulation.</summary>
        public double[] ReferencePose(Clock clock)
        {
            var qpos = new double[Nq];
            double[] pos, quat, pose = LookUp("table.pd_target", clock.ClipTime);
            Root(clock.ClipTime, clock.Origin, clock.Yaw, out pos, out quat);
            M.Put(qpos, 0, pos);
            M.Put(qpos, 3, quat);
            foreach (Joint j in joints)
            {
                if (j.Ball) M.Put(qpos, j.Qpos, M.FromRotvec(M.Sub3(pose, j.Dof)));
                else qpos[j.Qpos] = pose[j.Dof];
            }
            return qpos;
        }

        static void Need(double[] values, int count, string what)
        {
            if (values.Length != count) throw new ArgumentException(what + ": " + count + " numbers are needed, not " + values.Length);
        }

        double[] Row(string name, int row)
        {
            Tensor tensor = tensors[name];
            var values = new double[tensor.Shape[1]];
            for (int k = 0; k < values.Length; k++) values[k] = tensor.Data[row * values.Length + k];
            return values;
        }

        double[] LookUp(string name, double clipTime)
        {
            Tensor table = tensors[name];
            int width = table.Shape[1];
            double x = clipTime * rate;
            int row = (int)Math.Min(Math.Max(Math.Floor(x), 0), table.Shape[0] - 2), at = row * width;
            var values = new double[width];
            for (int k = 0; k < width; k++)
            {
                double here = table.Data[at + k];
                values[k] = here + (x - row) * (table.Data[at + width + k] - here);
            }
            return values;
        }

        void Root(double clipTime, double[] origin, double yaw, out double[] pos, out double[] quat)
        {
            double[] turn = M.Yaw(yaw);
            pos = M.Add(M.Rotate(turn, LookUp("table.root_pos", clipTime)), origin);
            quat = M.Mul(turn, M.Normalize(LookUp("table.root_quat", clipTime)));
        }

        Clock Ahead(Clock clock, double seconds)
        {
            Clock later = clock.Copy();
            later.ClipTime += seconds;
            if (!loop) later.ClipTime = Math.Min(later.ClipTime, duration);
            for (double i = Math.Ceiling(seconds / duration) + 1; loop && i > 0 && later.ClipTime >= duration; i--) later = NextCycle(later);
            return later;
        }

        Clock NextCycle(Clock at)
        {
            double yaw = at.Yaw + cycleYaw;
            double[] end = M.Add(M.Rotate(M.Yaw(at.Yaw), M.Add(first, displacement)), at.Origin);
            return new Clock { ClipTime = at.ClipTime - duration, Origin = M.Sub(end, M.Rotate(M.Yaw(yaw), first)), Yaw = yaw };
        }

        sealed class Seen
        {
            public double[] Root, Turn, LinkTurn;
            public double Phase;
            public double[][] Pos, Quat, Linvel, Angvel, Arm;
        }

        static double[] JointQuat(Joint j, double[] qpos)
        {
            if (j.Ball) return M.Sub4(qpos, j.Qpos);
            double half = qpos[j.Qpos] / 2, sine = Math.Sin(half);
            return new[] { Math.Cos(half), sine * j.Axis[0], sine * j.Axis[1], sine * j.Axis[2] };
        }

        Seen Look(double[] qpos, double[] qvel, Clock clock)
        {
            int count = bodies.Count;
            var s = new Seen
            {
                Root = M.Sub4(qpos, 3), Turn = M.Yaw(clock.Yaw), Phase = clock.ClipTime / duration, Pos = new double[count][],
                Quat = new double[count][], Linvel = new double[count][], Angvel = new double[count][], Arm = new double[count][]
            };
            s.LinkTurn = headingFrame ? M.Yaw(M.Heading(s.Root)) : s.Turn;
            for (int b = 0; b < count; b++)
            {
                Body body = bodies[b];
                int p = body.Parent;
                if (p < 0)
                {
                    s.Pos[b] = new double[3];
                    s.Quat[b] = s.Root;
                    s.Linvel[b] = M.Sub3(qvel, 0);
                    s.Angvel[b] = M.Rotate(s.Root, M.Sub3(qvel, 3));
                }
                else
                {
                    double[] arm = M.Rotate(s.Quat[p], body.Offset), spin = new double[3];
                    s.Pos[b] = M.Add(s.Pos[p], arm);
                    s.Quat[b] = body.Joint < 0 ? s.Quat[p] : M.Mul(s.Quat[p], JointQuat(joints[body.Joint], qpos));
                    s.Linvel[b] = M.Add(s.Linvel[p], M.Cross(s.Angvel[p], arm));
                    for (int k = 0; body.Joint >= 0 && k < 3; k++)
                    {
                        Joint j = joints[body.Joint];
                        spin[k] = j.Ball ? qvel[j.Qvel + k] : j.Axis[k] * qvel[j.Qvel];
                    }
                    s.Angvel[b] = M.Add(s.Angvel[p], M.Rotate(s.Quat[b], spin));
                }
                s.Arm[b] = M.Rotate(s.Quat[b], body.Com);
            }
            return s;
        }

        void AppendField(List<double> o, string field, Seen s, double[] qpos, double[] qvel, Clock clock)
        {
            int count = bodies.Count;
            Func<int, double[]> turnOf = b => b > 0 ? s.LinkTurn : s.Turn;
            switch (field)
            {
                case "phase": o.Add(2 * s.Phase - 1); break;
                case "phase_circle": o.Add(Math.Sin(2 * Math.PI * s.Phase)); o.Add(Math.Cos(2 * Math.PI * s.Phase)); break;
                case "root_height": o.Add(qpos[2]); break;
                case "root_rot": o.AddRange(M.Rot6(M.Mul(M.Conj(s.Turn), s.Root))); break;
                case "root_linvel": o.AddRange(M.RotateBack(s.Turn, s.Linvel[0])); break;
                case "root_angvel": o.AddRange(M.RotateBack(s.Turn, s.Angvel[0])); break;
                case "joint_rot": foreach (Joint j in joints) o.AddRange(M.Rot6(JointQuat(j, qpos))); break;
                case "joint_vel": for (int i = 6; i < Nv; i++) o.Add(qvel[i]); break;
                case "body_pos": for (int b = 1; b < count; b++) o.AddRange(M.RotateBack(s.LinkTurn, s.Pos[b])); break;
                case "link_pos": for (int b = 0; b < count; b++) o.AddRange(M.RotateBack(s.LinkTurn, M.Add(s.Pos[b], s.Arm[b]))); break;
                case "link_rot": for (int b = 0; b < count; b++) o.AddRange(M.Rot6(M.Mul(M.Conj(turnOf(b)), s.Quat[b]))); break;
                case "link_linvel":
                    for (int b = 0; b < count; b++) o.AddRange(M.RotateBack(turnOf(b), M.Add(s.Linvel[b], M.Cross(s.Angvel[b], s.Arm[b]))));
                    break;
                case "link_angvel": for (int b = 0; b < count; b++) o.AddRange(M.RotateBack(turnOf(b), s.Angvel[b])); break;
                case "target_root":
                    foreach (int steps in targetSteps)
                    {
                        Clock later = Ahead(clock, steps * ControlDt);
                        double[] pos, quat;
                        Root(later.ClipTime, later.Origin, later.Yaw, out pos, out quat);
                        o.AddRange(M.RotateBack(s.Turn, M.Sub(pos, qpos)));
                        o.AddRange(M.Rot6(M.Mul(M.Conj(s.Turn), quat)));
                    }
                    break;
                case "target_pose":
                    foreach (int steps in targetSteps) o.AddRange(LookUp("table.pd_target", Ahead(clock, steps * ControlDt).ClipTime));
                    break;
                default: throw new InvalidDataException("observation.json: field '" + field + "' is unknown to this file");
            }
        }
    }

    /// <summary>An engine's axes, from conventions.json: new Frame(conventions["engines"]["unity"]).</summary>
    public sealed class Frame
    {
        readonly double[][][] matrices = new double[4][][];
        readonly bool wxyz;

        public Frame(Json engine)
        {
            wxyz = engine["quaternion"].Text == "wxyz";
            string[] names = { "position_matrix", "position_matrix_back", "angular_matrix", "angular_matrix_back" };
            for (int m = 0; m < 4; m++) matrices[m] = engine[names[m]].Items.ConvertAll(row => row.Numbers()).ToArray();
        }

        /// <summary>Metres of ours to the engine's length units.</summary>
        public double[] Position(double[] v) { return Times(0, v); }
        public double[] PositionBack(double[] v) { return Times(1, v); }

        /// <summary>Angular velocities and rotation vectors.</summary>
        public double[] Angular(double[] v) { return Times(2, v); }
        public double[] AngularBack(double[] v) { return Times(3, v); }

        /// <summary>Quaternion wxyz of ours to the engine's, in its order.</summary>
        public double[] Rotation(double[] q)
        {
            double[] v = Times(2, M.Sub3(q, 1));
            return wxyz ? new[] { q[0], v[0], v[1], v[2] } : new[] { v[0], v[1], v[2], q[0] };
        }

        public double[] RotationBack(double[] q)
        {
            double[] v = Times(3, M.Sub3(q, wxyz ? 1 : 0));
            return new[] { wxyz ? q[0] : q[3], v[0], v[1], v[2] };
        }

        double[] Times(int m, double[] v)
        {
            return Array.ConvertAll(matrices[m], row => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
        }
    }

    /// <summary>Vectors and quaternions (wxyz) as arrays.</summary>
    public static class M
    {
        public static double[] Sub3(double[] a, int at) { return new[] { a[at], a[at + 1], a[at + 2] }; }
        public static double[] Sub4(double[] a, int at) { return new[] { a[at], a[at + 1], a[at + 2], a[at + 3] }; }
        public static void Put(double[] target, int at, double[] values) { Array.Copy(values, 0, target, at, values.Length); }
        public static double[] Add(double[] a, double[] b) { return new[] { a[0] + b[0], a[1] + b[1], a[2] + b[2] }; }
        public static double[] Sub(double[] a, double[] b) { return new[] { a[0] - b[0], a[1] - b[1], a[2] - b[2] }; }
        public static double[] Conj(double[] q) { return new[] { q[0], -q[1], -q[2], -q[3] }; }
        public static double[] Yaw(double yaw) { return new[] { Math.Cos(yaw / 2), 0, 0, Math.Sin(yaw / 2) }; }
        public static double[] RotateBack(double[] q, double[] v) { return Rotate(Conj(q), v); }
        public static double Heading(double[] q) { return Math.Atan2(2 * (q[1] * q[2] + q[0] * q[3]), 1 - 2 * (q[2] * q[2] + q[3] * q[3])); }

        public static double[] Cross(double[] a, double[] b)
        {
            return new[] { a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0] };
        }

        public static double[] Mul(double[] a, double[] b)
        {
            return new[]
            {
                a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3], a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
                a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1], a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]
            };
        }

        public static double[] Rotate(double[] q, double[] v)
        {
            double[] axis = Sub3(q, 1), t = Array.ConvertAll(Cross(axis, v), x => 2 * x), u = Cross(axis, t);
            return new[] { v[0] + q[0] * t[0] + u[0], v[1] + q[0] * t[1] + u[1], v[2] + q[0] * t[2] + u[2] };
        }

        public static double[] Normalize(double[] q)
        {
            double length = Math.Sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
            return Array.ConvertAll(q, x => x / length);
        }

        public static double[] FromRotvec(double[] v)
        {
            double angle = Math.Sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
            double share = angle < 1e-12 ? 0.5 : Math.Sin(angle / 2) / angle;
            return new[] { Math.Cos(angle / 2), share * v[0], share * v[1], share * v[2] };
        }

        public static double[] ToRotvec(double[] q)
        {
            double sign = q[0] < 0 ? -1 : 1, sine = Math.Sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
            double share = sign * (sine < 1e-12 ? 2 : 2 * Math.Atan2(sine, sign * q[0]) / sine);
            return new[] { share * q[1], share * q[2], share * q[3] };
        }

        /// <summary>Images of the x and z axes.</summary>
        public static double[] Rot6(double[] q)
        {
            double w = q[0], x = q[1], y = q[2], z = q[3];
            return new[] { 1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y), 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y) };
        }
    }

    /// <summary>JSON, as much of it as a bundle needs: Unity has no parser for it.</summary>
    public sealed class Json
    {
        public string Text;
        public double Number;
        public bool Truth;
        public List<Json> Items = new List<Json>();
        public Dictionary<string, Json> Members = new Dictionary<string, Json>();

        public int Whole { get { return (int)Number; } }

        public Json this[string key]
        {
            get
            {
                Json found;
                if (!Members.TryGetValue(key, out found)) throw new InvalidDataException("JSON: no '" + key + "'");
                return found;
            }
        }

        public double[] Numbers() { return Items.ConvertAll(item => item.Number).ToArray(); }

        public static Json Parse(string text)
        {
            int at = 0;
            Json value = Value(text, ref at, 0);
            Skip(text, ref at);
            if (at != text.Length) throw Error(at);
            return value;
        }

        static Exception Error(int at) { return new InvalidDataException("JSON: error at character " + at); }

        static void Skip(string text, ref int at) { while (at < text.Length && char.IsWhiteSpace(text[at])) at++; }

        static bool Take(string text, ref int at, char c)
        {
            Skip(text, ref at);
            if (at >= text.Length) throw Error(at);
            if (text[at] != c) return false;
            at++;
            return true;
        }

        static Json Value(string text, ref int at, int depth)
        {
            if (depth > 64) throw Error(at);
            var value = new Json();
            if (Take(text, ref at, '{'))
            {
                if (Take(text, ref at, '}')) return value;
                do
                {
                    if (!Take(text, ref at, '"')) throw Error(at);
                    string key = String(text, ref at);
                    if (!Take(text, ref at, ':')) throw Error(at);
                    value.Members[key] = Value(text, ref at, depth + 1);
                } while (Take(text, ref at, ','));
                if (!Take(text, ref at, '}')) throw Error(at);
            }
            else if (Take(text, ref at, '['))
            {
                if (Take(text, ref at, ']')) return value;
                do value.Items.Add(Value(text, ref at, depth + 1)); while (Take(text, ref at, ','));
                if (!Take(text, ref at, ']')) throw Error(at);
            }
            else if (Take(text, ref at, '"')) value.Text = String(text, ref at);
            else
            {
                int start = at;
                while (at < text.Length && ",]} \t\r\n".IndexOf(text[at]) < 0) at++;
                string word = text.Substring(start, at - start);
                if (word == "true") value.Truth = true;
                else if (word != "false" && word != "null" &&
                         (!double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out value.Number) || double.IsInfinity(value.Number) || double.IsNaN(value.Number)))
                    throw Error(start);
            }
            return value;
        }

        static string String(string text, ref int at)
        {
            var built = new StringBuilder();
            for (; ; at++)
            {
                if (at >= text.Length) throw Error(at);
                char c = text[at];
                if (c == '"') { at++; return built.ToString(); }
                if (c == '\\')
                {
                    if (++at >= text.Length) throw Error(at);
                    c = text[at] == 'n' ? '\n' : text[at] == 't' ? '\t' : text[at];
                    if (c == 'u') { at += 4; c = '?'; } // only in texts for people
                }
                built.Append(c);
            }
        }
    }
}

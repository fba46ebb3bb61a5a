// mcs -out:check.exe MimicController.cs Check.cs && mono check.exe BUNDLE: recomputes testvectors.json with
// MimicController.cs; leaves with 1 if anything is off by more than allowed, with 2 if the bundle cannot be read.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using Mimic;

static class Check
{
    static readonly SortedDictionary<string, double> Worst = new SortedDictionary<string, double>();

    static void Compare(string what, double[] found, double[] expected)
    {
        if (found.Length != expected.Length) throw new InvalidDataException(what + ": other number of numbers");
        double unit = 1, most; // the torque is compared in shares of the largest: it is kp times an angle
        if (what == "motor") foreach (double x in expected) unit = Math.Max(unit, Math.Abs(x));
        Worst.TryGetValue(what, out most);
        for (int i = 0; i < found.Length; i++)
        {
            double error = Math.Abs(found[i] - expected[i]) / unit;
            if (!(error <= most)) most = error; // a NaN compares false, and stays
        }
        Worst[what] = most;
    }

    static Clock ClockOf(Json row)
    {
        return new Clock { ClipTime = row["clip_time"].Number, Origin = row["origin"].Numbers(), Yaw = row["yaw"].Number };
    }

    static double[] Flat(Clock clock) { return new[] { clock.ClipTime, clock.Origin[0], clock.Origin[1], clock.Origin[2], clock.Yaw }; }

    static void CheckRow(Controller c, Json row)
    {
        double[] qpos = row["qpos"].Numbers(), qvel = row["qvel"].Numbers();
        double[] observation = c.Observe(qpos, qvel, ClockOf(row)), action = c.Act(observation), target = c.Target(action, ClockOf(row));
        Compare("observation", observation, row["observation"].Numbers());
        Compare("action", action, row["action"].Numbers());
        Compare("target", target, row["pd_target"].Numbers());
        Compare("motor", c.Motors(target, qpos, qvel), row["motor"].Numbers());
    }

    static int Main(string[] args)
    {
        try
        {
            string bundle = args.Length > 0 ? args[0] : ".";
            Func<string, byte[]> read = name => File.ReadAllBytes(Path.Combine(bundle, name));
            Controller.ReadJson(read, "manifest.json");
            var c = new Controller(read);
            Json vectors = Controller.ReadJson(read, "testvectors.json");
            List<Json> rows = vectors["rollout"]["rows"].Items;
            foreach (Json row in vectors["states"].Items) CheckRow(c, row);
            foreach (Json row in rows) CheckRow(c, row);
            Clock clock = ClockOf(rows[0]);
            for (int i = 1; i < rows.Count; i++)
            {
                c.Advance(clock, rows[i]["qpos"].Numbers());
                Compare("clock", Flat(clock), Flat(ClockOf(rows[i])));
            }
            Json engines = Controller.ReadJson(read, "conventions.json")["engines"];
            foreach (Json row in vectors["frames"].Items)
            {
                var frame = new Frame(engines[row["engine"].Text]);
                double[] vector = row["vector"].Numbers(), quat = row["quaternion"].Numbers();
                double[] position = row["position"].Numbers(), angular = row["angular"].Numbers(), rotation = row["rotation"].Numbers();
                Compare("frames", frame.Position(vector), position);
                Compare("frames", frame.Angular(vector), angular);
                Compare("frames", frame.Rotation(quat), rotation);
                Compare("frames", frame.PositionBack(position), vector);
                Compare("frames", frame.AngularBack(angular), vector);
                Compare("frames", frame.RotationBack(rotation), quat);
            }
            double allowed = vectors["tolerance"]["vectors"].Number;
            bool good = true;
            foreach (KeyValuePair<string, double> pair in Worst)
            {
                Console.WriteLine(pair.Key.PadRight(13) + pair.Value.ToString("e2", CultureInfo.InvariantCulture));
                good = good && pair.Value <= allowed;
            }
            Console.WriteLine(good ? "OK" : "OFF: more than " + allowed.ToString(CultureInfo.InvariantCulture));
            return good ? 0 : 1;
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error.Message);
            return 2;
        }
    }
}

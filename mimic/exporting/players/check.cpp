// g++ -std=c++17 -O2 check.cpp -o check && ./check BUNDLE: recomputes testvectors.json with mimic.hpp; leaves with 1 if
// anything is off by more than allowed, with 2 if the bundle cannot be read.
#include <cstdio>
#include "mimic.hpp"

static std::map<std::string, double> worst;

static void compare(const std::string& what, const mimic::Numbers& found, const mimic::Numbers& expected) {
  if (found.size() != expected.size()) throw std::runtime_error(what + ": other number of numbers");
  double unit = 1;  // the torque is compared in shares of the largest: it is kp times an angle
  if (what == "motor") for (double x : expected) unit = std::max(unit, std::abs(x));
  double& most = worst[what];
  for (size_t i = 0; i < found.size(); ++i) {
    const double error = std::abs(found[i] - expected[i]) / unit;
    if (!(error <= most)) most = error;  // a NaN compares false, and stays
  }
}

static mimic::Clock clock_of(const mimic::Json& row) { return {row["clip_time"].number, row["origin"].vec(), row["yaw"].number}; }

static void check_row(const mimic::Controller& c, const mimic::Json& row) {
  const auto qpos = row["qpos"].numbers(), qvel = row["qvel"].numbers();
  const auto observation = c.observe(qpos, qvel, clock_of(row));
  const auto action = c.act(observation), target = c.target(action, clock_of(row));
  compare("observation", observation, row["observation"].numbers());
  compare("action", action, row["action"].numbers());
  compare("target", target, row["pd_target"].numbers());
  compare("motor", c.motors(target, qpos, qvel), row["motor"].numbers());
}

static mimic::Quat quat_of(const mimic::Json& q) { return {q[0].number, q[1].number, q[2].number, q[3].number}; }

template <class Values> static mimic::Numbers list(const Values& v) { return {v.begin(), v.end()}; }

int main(int argc, char** argv) try {
  const std::string bundle = argc > 1 ? argv[1] : ".";
  mimic::Controller::read_json(bundle + "/manifest.json");
  const auto c = mimic::Controller::load(bundle);
  const auto vectors = mimic::Controller::read_json(bundle + "/testvectors.json");
  const auto& rows = vectors["rollout"]["rows"].items;
  for (const auto& row : vectors["states"].items) check_row(c, row);
  for (const auto& row : rows) check_row(c, row);
  mimic::Clock clock = clock_of(rows.at(0));
  for (size_t i = 1; i < rows.size(); ++i) {
    c.advance(clock, rows[i]["qpos"].numbers());
    const auto now = clock_of(rows[i]);
    compare("clock", {clock.clip_time, clock.origin[0], clock.origin[1], clock.origin[2], clock.yaw},
            {now.clip_time, now.origin[0], now.origin[1], now.origin[2], now.yaw});
  }
  const auto conventions = mimic::Controller::read_json(bundle + "/conventions.json");
  for (const auto& row : vectors["frames"].items) {
    const mimic::Frame frame(conventions["engines"][row["engine"].text]);
    const mimic::Vec vector = row["vector"].vec(), position = row["position"].vec(), angular = row["angular"].vec();
    const mimic::Quat quat = quat_of(row["quaternion"]), rotation = quat_of(row["rotation"]);
    compare("frames", list(frame.position(vector)), list(position));
    compare("frames", list(frame.angular(vector)), list(angular));
    compare("frames", list(frame.rotation(quat)), list(rotation));
    compare("frames", list(frame.position_back(position)), list(vector));
    compare("frames", list(frame.angular_back(angular)), list(vector));
    compare("frames", list(frame.rotation_back(rotation)), list(quat));
  }
  const double allowed = vectors["tolerance"]["vectors"].number;
  bool good = true;
  for (const auto& [what, error] : worst) {
    std::printf("%-12s %.2e\n", what.c_str(), error);
    good = good && error <= allowed;
  }
  if (good) std::printf("OK\n");
  else std::printf("OFF: more than %g\n", allowed);
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}

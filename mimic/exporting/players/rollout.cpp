// Runs the recorded two seconds again with mimic.hpp in MuJoCo; leaves with 1 if it strays further than allowed.
//   g++ -std=c++17 -O2 rollout.cpp -I MUJOCO/include -L MUJOCO/lib -l mujoco -o rollout && ./rollout BUNDLE
#include <cstdio>
#include "mimic_mujoco.hpp"

int main(int argc, char** argv) try {
  const std::string bundle = argc > 1 ? argv[1] : ".";
  mimic::Stage stage(bundle);
  const auto vectors = mimic::Controller::read_json(bundle + "/testvectors.json");
  const auto& rows = vectors["rollout"]["rows"].items;
  const auto& first = rows.at(0);
  stage.start({first["qpos"].numbers(), first["qvel"].numbers(), {first["clip_time"].number, first["origin"].vec(), first["yaw"].number}});
  double worst = 0;
  mimic::Numbers apart(static_cast<size_t>(stage.model->nv));
  for (size_t i = 1; i < rows.size(); ++i) {
    stage.step();
    mj_differentiatePos(stage.model.get(), apart.data(), 1.0, rows[i]["qpos"].numbers().data(), stage.data->qpos);
    for (double x : apart) if (!(std::abs(x) <= worst)) worst = std::abs(x);
  }
  const double allowed = vectors["tolerance"]["rollout_rad"].number;
  std::printf("rollout %.2e rad from the recording, %g allowed: %s\n", worst, allowed, worst <= allowed ? "OK" : "OFF");
  return worst <= allowed ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}

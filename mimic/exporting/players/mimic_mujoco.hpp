/* A mimic controller at work in MuJoCo's C library: mimic.hpp for the thinking, mujoco.h for the physics.
   SPDX: Apache-2.0. The model is the bundle's character.xml, alone in its world. */
#pragma once
#include <mujoco/mujoco.h>

#include <memory>

#include "mimic.hpp"

namespace mimic {

class Stage {
 public:
  explicit Stage(const std::string& bundle) : controller(Controller::load(bundle)) {
    char error[1000] = "";
    model.reset(mj_loadXML((bundle + "/character.xml").c_str(), nullptr, error, sizeof error));
    if (!model) throw std::runtime_error(std::string("character.xml: ") + error);
    if (model->nq != controller.nq || model->nv != controller.nv || model->nu != controller.act_dim)
      throw std::runtime_error("character.xml does not fit skeleton.json");
    data.reset(mj_makeData(model.get()));
    start(controller.start_state(0.0));
  }

  void start(const State& state) {
    mj_resetData(model.get(), data.get());
    std::copy(state.qpos.begin(), state.qpos.end(), data->qpos);
    std::copy(state.qvel.begin(), state.qvel.end(), data->qvel);
    clock = state.clock;
    mj_kinematics(model.get(), data.get());  // so that it can be drawn before the first step
  }

  /// One control step: controller.control_dt seconds. False: a clip that does not loop is over.
  bool step() {
    target = controller.control(qpos(), qvel(), clock);
    for (int i = 0; i < controller.substeps; ++i) {
      const Numbers motor = controller.motors(target, qpos(), qvel());
      std::copy(motor.begin(), motor.end(), data->ctrl);
      mj_step(model.get(), data.get());
    }
    return !controller.advance(clock, qpos());
  }

  Numbers qpos() const { return {data->qpos, data->qpos + model->nq}; }
  Numbers qvel() const { return {data->qvel, data->qvel + model->nv}; }

  Controller controller;
  Clock clock;
  Numbers target;
  std::unique_ptr<mjModel, void (*)(mjModel*)> model{nullptr, mj_deleteModel};
  std::unique_ptr<mjData, void (*)(mjData*)> data{nullptr, mj_deleteData};
};

}  // namespace mimic

/* mimic controller bundles in C++17: one header, no dependencies. SPDX: Apache-2.0

       #include "mimic.hpp"
       auto c = mimic::Controller::load("cartwheel.mimic");
       mimic::State s = c.start_state(0.0);                // copy s.qpos, s.qvel into your simulation
       // every c.control_dt seconds:
       auto target = c.control(qpos, qvel, s.clock);       // = c.target(c.act(c.observe(...)), clock)
       for (int i = 0; i < c.substeps; ++i) {              // every c.sim_dt seconds
         auto motor = c.motors(target, qpos, qvel);        // torques for the motors of character.xml
         ... one physics step ...
       }
       c.advance(s.clock, qpos);                           // true: a clip that does not loop is over

   State is MuJoCo's: qpos (nq) and qvel (nv) as skeleton.json says; z up, metres, radians, quaternions wxyz. Servo
   targets are rotation vectors of ball joints and angles of hinges [rad]. The motors' formula expects that the engine
   itself damps every joint by kd and gives it its armature; where it does not, leave `+ kd * v` out and mind the step size.
   Everything is double precision. std::runtime_error says what is wrong with a bundle. Nothing is thread-local or
   global: one Controller may serve many characters, each with its own Clock. */
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mimic {

constexpr int kSchemaVersion = 1;
using Numbers = std::vector<double>;
using Vec = std::array<double, 3>;
using Quat = std::array<double, 4>;  // wxyz

// ---- JSON, as much of it as a bundle needs --------------------------------------------------------------------------

struct Json {
  enum Kind { Null, Bool, Number, String, Array, Object } kind = Null;
  bool truth = false;
  double number = 0;
  std::string text;
  std::vector<Json> items;
  std::map<std::string, Json> members;

  const Json& operator[](const std::string& key) const {
    auto found = members.find(key);
    if (found == members.end()) throw std::runtime_error("JSON: no '" + key + "'");
    return found->second;
  }
  const Json& operator[](size_t index) const {
    if (index >= items.size()) throw std::runtime_error("JSON: list too short");
    return items[index];
  }
  int whole() const { return static_cast<int>(number); }
  Numbers numbers() const {
    Numbers out;
    for (const Json& item : items) out.push_back(item.number);
    return out;
  }
  Vec vec() const { return {(*this)[0].number, (*this)[1].number, (*this)[2].number}; }
};

class JsonParser {
 public:
  static Json parse(const std::string& text) {
    JsonParser parser(text);
    Json value = parser.value(0);
    parser.skip();
    if (parser.at_ != text.size()) parser.fail();
    return value;
  }

 private:
  explicit JsonParser(const std::string& text) : text_(text) {}
  [[noreturn]] void fail() const { throw std::runtime_error("JSON: error at byte " + std::to_string(at_)); }
  void skip() { while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_])) ++at_; }
  char peek() { skip(); if (at_ >= text_.size()) fail(); return text_[at_]; }
  bool take(char c) { if (peek() != c) return false; ++at_; return true; }
  void expect(const char* word) { for (; *word; ++word, ++at_) if (at_ >= text_.size() || text_[at_] != *word) fail(); }

  Json value(int depth) {
    if (depth > 64) fail();
    Json out;
    switch (peek()) {
      case '{':
        out.kind = Json::Object;
        ++at_;
        if (take('}')) break;
        do {
          if (peek() != '"') fail();
          std::string key = string();
          if (!take(':')) fail();
          out.members[key] = value(depth + 1);
        } while (take(','));
        if (!take('}')) fail();
        break;
      case '[':
        out.kind = Json::Array;
        ++at_;
        if (take(']')) break;
        do out.items.push_back(value(depth + 1)); while (take(','));
        if (!take(']')) fail();
        break;
      case '"': out.kind = Json::String; out.text = string(); break;
      case 't': expect("true"); out.kind = Json::Bool; out.truth = true; break;
      case 'f': expect("false"); out.kind = Json::Bool; break;
      case 'n': expect("null"); break;
      default: {
        const char* begin = text_.c_str() + at_;
        char* end = nullptr;
        out.kind = Json::Number;
        out.number = std::strtod(begin, &end);  // as long as the program keeps the C locale
        if (end == begin || !std::isfinite(out.number)) fail();
        at_ += static_cast<size_t>(end - begin);
      }
    }
    return out;
  }

  std::string string() {
    std::string out;
    for (++at_;; ++at_) {
      if (at_ >= text_.size()) fail();
      char c = text_[at_];
      if (c == '"') { ++at_; return out; }
      if (c != '\\') { out += c; continue; }
      if (++at_ >= text_.size()) fail();
      switch (text_[at_]) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'u': at_ += 4; out += '?'; break;  // only in texts for people
        default: out += text_[at_];
      }
    }
  }

  const std::string& text_;
  size_t at_ = 0;
};

// ---- vectors and rotations ------------------------------------------------------------------------------------------

inline Vec add(const Vec& a, const Vec& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
inline Vec sub(const Vec& a, const Vec& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline Vec cross(const Vec& a, const Vec& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline Quat conj(const Quat& q) { return {q[0], -q[1], -q[2], -q[3]}; }
inline Quat mul(const Quat& a, const Quat& b) {
  return {a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3], a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
          a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1], a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]};
}
inline Vec rotate(const Quat& q, const Vec& v) {
  const Vec axis{q[1], q[2], q[3]};
  Vec t = cross(axis, v);
  for (double& x : t) x *= 2;
  const Vec u = cross(axis, t);
  return {v[0] + q[0] * t[0] + u[0], v[1] + q[0] * t[1] + u[1], v[2] + q[0] * t[2] + u[2]};
}
inline Vec rotate_back(const Quat& q, const Vec& v) { return rotate(conj(q), v); }
inline Quat yaw_quat(double yaw) { return {std::cos(yaw / 2), 0, 0, std::sin(yaw / 2)}; }
inline double heading(const Quat& q) {
  return std::atan2(2 * (q[1] * q[2] + q[0] * q[3]), 1 - 2 * (q[2] * q[2] + q[3] * q[3]));
}
inline Quat normalize(Quat q) {
  const double length = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  for (double& x : q) x /= length;
  return q;
}
inline Quat from_rotvec(const Vec& v) {
  const double angle = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  const double share = angle < 1e-12 ? 0.5 : std::sin(angle / 2) / angle;
  return {std::cos(angle / 2), share * v[0], share * v[1], share * v[2]};
}
inline Vec to_rotvec(Quat q) {
  if (q[0] < 0) for (double& x : q) x = -x;
  const double sine = std::sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  const double share = sine < 1e-12 ? 2.0 : 2 * std::atan2(sine, q[0]) / sine;
  return {share * q[1], share * q[2], share * q[3]};
}
/// Images of the x and z axes.
inline std::array<double, 6> rot6(const Quat& q) {
  const double w = q[0], x = q[1], y = q[2], z = q[3];
  return {1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y),
          2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)};
}

/// An engine's axes, from conventions.json: `Frame(conventions["engines"]["unreal"])`.
class Frame {
 public:
  explicit Frame(const Json& engine) : wxyz_(engine["quaternion"].text == "wxyz") {
    const char* names[4] = {"position_matrix", "position_matrix_back", "angular_matrix", "angular_matrix_back"};
    for (int m = 0; m < 4; ++m)
      for (size_t r = 0; r < 3; ++r) matrix_[m][r] = engine[names[m]][r].vec();
  }
  Vec position(const Vec& v) const { return times(0, v); }        ///< [m] to the engine's length units
  Vec position_back(const Vec& v) const { return times(1, v); }
  Vec angular(const Vec& v) const { return times(2, v); }         ///< angular velocities, rotation vectors
  Vec angular_back(const Vec& v) const { return times(3, v); }
  Quat rotation(const Quat& q) const {                            ///< wxyz to the engine's order
    const Vec v = times(2, {q[1], q[2], q[3]});
    return wxyz_ ? Quat{q[0], v[0], v[1], v[2]} : Quat{v[0], v[1], v[2], q[0]};
  }
  Quat rotation_back(const Quat& q) const {
    const Vec v = times(3, wxyz_ ? Vec{q[1], q[2], q[3]} : Vec{q[0], q[1], q[2]});
    return {wxyz_ ? q[0] : q[3], v[0], v[1], v[2]};
  }

 private:
  Vec times(int m, const Vec& v) const {
    Vec out{};
    for (int r = 0; r < 3; ++r) out[r] = matrix_[m][r][0] * v[0] + matrix_[m][r][1] * v[1] + matrix_[m][r][2] * v[2];
    return out;
  }
  bool wxyz_;
  std::array<std::array<Vec, 3>, 4> matrix_{};
};

// ---- the controller -------------------------------------------------------------------------------------------------

/// Where in the clip we are [s], and where the clip lies in the world [m, rad].
struct Clock {
  double clip_time = 0;
  Vec origin{};
  double yaw = 0;
};

struct State {
  Numbers qpos, qvel;
  Clock clock;
};

class Controller {
 public:
  double control_dt = 0, sim_dt = 0;
  int substeps = 0, nq = 0, nv = 0, obs_dim = 0, act_dim = 0;

  static std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + ": cannot be read");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static Json read_json(const std::string& path) {
    Json part = JsonParser::parse(read_file(path));
    if (part["schema_version"].whole() != kSchemaVersion)
      throw std::runtime_error(path + ": schema version " + std::to_string(part["schema_version"].whole()) +
                               ", this header reads " + std::to_string(kSchemaVersion));
    return part;
  }

  static Controller load(const std::string& folder) {
    Controller c;
    const Json skeleton = read_json(folder + "/skeleton.json"), control = read_json(folder + "/control.json");
    const Json observation = read_json(folder + "/observation.json"), weights = read_json(folder + "/weights.json");
    const Json reference = read_json(folder + "/reference.json");
    c.read_skeleton(skeleton, control);
    c.read_control(control);
    c.read_observation(observation);
    c.read_reference(reference);
    c.layers_ = weights["layers"].whole();
    unpack(weights["tensors"], read_file(folder + "/weights.bin"), c.tensors_);
    unpack(reference["tensors"], read_file(folder + "/reference.bin"), c.tensors_);
    c.check();
    return c;
  }

  /// State and clock of the clip at a moment, to the nearest frame of reference.json.
  State start_state(double clip_time, const Vec& origin = {}, double yaw = 0) const {
    const int frame = std::clamp(static_cast<int>(std::lround(clip_time * clip_fps_)), 0, clip_frames_ - 1);
    const auto& qpos = tensor("clip.qpos").data;
    const auto& qvel = tensor("clip.qvel").data;
    State s{Numbers(qpos.begin() + frame * nq, qpos.begin() + (frame + 1) * nq),
            Numbers(qvel.begin() + frame * nv, qvel.begin() + (frame + 1) * nv),
            {std::min(frame / clip_fps_, duration_), origin, yaw}};
    const Quat turn = yaw_quat(yaw);
    put(s.qpos, 0, add(rotate(turn, at3(s.qpos.data())), origin));
    put(s.qpos, 3, mul(turn, normalize(at4(s.qpos.data() + 3))));
    put(s.qvel, 0, rotate(turn, at3(s.qvel.data())));
    return s;
  }

  Numbers control(const Numbers& qpos, const Numbers& qvel, const Clock& clock) const {
    return target(act(observe(qpos, qvel, clock)), clock);
  }

  /// The observation, obs_dim numbers (observation.json).
  Numbers observe(const Numbers& qpos, const Numbers& qvel, const Clock& clock) const {
    need(qpos, nq, "qpos");
    need(qvel, nv, "qvel");
    Numbers out;
    out.reserve(static_cast<size_t>(obs_dim));
    const Seen seen = look(qpos, qvel, clock);
    for (const std::string& field : fields_) append_field(out, field, seen, qpos, qvel, clock);
    need(out, obs_dim, "observation");
    return out;
  }

  /// The policy: observation to action, act_dim numbers.
  Numbers act(const Numbers& observation) const {
    need(observation, obs_dim, "observation");
    const auto &shift = tensor("shift").data, &scale = tensor("scale").data, &bound = tensor("bound").data;
    Numbers x(observation.size());
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = std::max<double>(-bound[i], std::min<double>(bound[i], (observation[i] - shift[i]) * scale[i]));
    for (int layer = 0; layer < layers_; ++layer) {
      const Tensor& weight = tensor("weight." + std::to_string(layer));
      const auto& bias = tensor("bias." + std::to_string(layer)).data;
      const size_t outputs = weight.shape[0], inputs = weight.shape[1];
      Numbers y(outputs);
      for (size_t o = 0; o < outputs; ++o) {
        double sum = bias[o];
        const float* row = weight.data.data() + o * inputs;
        for (size_t i = 0; i < inputs; ++i) sum += row[i] * x[i];
        y[o] = layer < layers_ - 1 ? std::max(0.0, sum) : sum;
      }
      x = std::move(y);
    }
    return x;
  }

  /// Servo targets [rad], act_dim numbers.
  Numbers target(const Numbers& action, const Clock& clock) const {
    need(action, act_dim, "action");
    Numbers out = from_reference_ ? look_up("table.pd_target", ahead(clock, lead_s_).clip_time) : offset_;
    for (size_t i = 0; i < out.size(); ++i) out[i] += scale_[i] * action[i];
    return out;
  }

  /// Torques for the motors [N m]; call at every physics step.
  Numbers motors(const Numbers& target, const Numbers& qpos, const Numbers& qvel) const {
    need(target, act_dim, "target");
    Numbers out(target.size());
    for (const Joint& j : joints_) {
      Vec error{};
      if (j.ball)
        error = to_rotvec(mul(conj(at4(&qpos[j.qpos])), from_rotvec(at3(&target[j.dof]))));
      else
        error[0] = target[j.dof] - qpos[j.qpos];
      Vec wanted{};
      double square = 0;
      for (int k = 0; k < j.dofs; ++k) {
        wanted[k] = j.kp * error[k] - j.kd * qvel[j.qvel + k];
        square += wanted[k] * wanted[k];
      }
      const double share = j.limit / std::max(j.limit, std::sqrt(square));
      for (int k = 0; k < j.dofs; ++k) out[j.dof + k] = wanted[k] * share + j.kd * qvel[j.qvel + k];
    }
    return out;
  }

  /// One control step on; closes cycles as the task says. True: a clip that does not loop is over.
  bool advance(Clock& clock, const Numbers& qpos) const {
    clock.clip_time += control_dt;
    if (!loop_) {
      clock.clip_time = std::min(clock.clip_time, duration_);
      return clock.clip_time >= duration_ - 1e-9;
    }
    if (clock.clip_time < duration_) return false;
    clock = next_cycle(clock);
    if (sync_yaw_) clock.yaw = heading(at4(&qpos[3])) - heading(root(clock.clip_time, {}, 0).second);
    if (sync_pos_) {
      const Vec pos = root(clock.clip_time, {}, clock.yaw).first;
      clock.origin = {qpos[0] - pos[0], qpos[1] - pos[1], 0};
    }
    return false;
  }

  /// The clip's own pose now (nq), for a ghost beside the simulation.
  Numbers reference_pose(const Clock& clock) const {
    Numbers qpos(static_cast<size_t>(nq));
    const auto [pos, quat] = root(clock.clip_time, clock.origin, clock.yaw);
    put(qpos, 0, pos);
    put(qpos, 3, quat);
    const Numbers pose = look_up("table.pd_target", clock.clip_time);
    for (const Joint& j : joints_) {
      if (j.ball) put(qpos, j.qpos, from_rotvec(at3(&pose[j.dof])));
      else qpos[j.qpos] = pose[j.dof];
    }
    return qpos;
  }

 private:
  struct Tensor { std::vector<size_t> shape; std::vector<float> data; };
  struct Joint { bool ball; Vec axis; int qpos, qvel, dof, dofs; double kp, kd, limit; };
  struct Body { int parent, joint; Vec offset, com; };
  struct Seen {
    Quat root, turn, link_turn;
    double phase;
    std::vector<Vec> pos, linvel, angvel, arm;
    std::vector<Quat> quat;
  };

  std::vector<Joint> joints_;
  std::vector<Body> bodies_;
  std::vector<std::string> fields_;
  std::vector<int> target_steps_;
  std::map<std::string, Tensor> tensors_;
  Numbers offset_, scale_;
  Vec displacement_{}, first_{};
  double lead_s_ = 0, duration_ = 0, rate_ = 0, cycle_yaw_ = 0, clip_fps_ = 60;
  int layers_ = 0, clip_frames_ = 1;
  bool from_reference_ = true, heading_ = false, loop_ = true, sync_pos_ = true, sync_yaw_ = false;

  static Vec at3(const double* p) { return {p[0], p[1], p[2]}; }
  static Quat at4(const double* p) { return {p[0], p[1], p[2], p[3]}; }
  template <class Values> static void put(Numbers& out, int at, const Values& v) { std::copy(v.begin(), v.end(), out.begin() + at); }
  template <class Values> static void append(Numbers& out, const Values& v) { out.insert(out.end(), v.begin(), v.end()); }
  static void need(const Numbers& values, int count, const char* what) {
    if (static_cast<int>(values.size()) != count)
      throw std::runtime_error(std::string(what) + ": " + std::to_string(count) + " numbers are needed");
  }

  void read_skeleton(const Json& skeleton, const Json& control) {
    nq = skeleton["nq"].whole();
    nv = skeleton["nv"].whole();
    act_dim = skeleton["num_actuated"].whole();
    for (size_t i = 0; i < skeleton["joints"].items.size(); ++i) {
      const Json &j = skeleton["joints"][i], &servo = control["joints"][i];
      const bool ball = j["kind"].text == "ball";
      joints_.push_back({ball, ball ? Vec{} : j["axis"].vec(), j["qpos"].whole(), j["qvel"].whole(), j["dof"].whole(),
                         j["dofs"].whole(), servo["kp"].number, servo["kd"].number, servo["torque_limit"].number});
    }
    for (const Json& b : skeleton["bodies"].items)
      bodies_.push_back({b["parent"].whole(), b["joint"].whole(), b["offset"].vec(), b["com"].vec()});
  }

  void read_control(const Json& control) {
    control_dt = control["control_dt"].number;
    sim_dt = control["sim_dt"].number;
    substeps = control["substeps"].whole();
    const Json &action = control["action"], &task = control["task"];
    from_reference_ = action["mode"].text == "reference";
    lead_s_ = action["lead_s"].number;
    offset_ = action["offset"].numbers();
    scale_ = action["scale"].numbers();
    sync_pos_ = task["sync_root_pos"].truth;
    sync_yaw_ = task["sync_root_yaw"].truth;
  }

  void read_observation(const Json& observation) {
    obs_dim = observation["dim"].whole();
    heading_ = observation["frame"].text == "heading";
    for (const Json& field : observation["fields"].items) fields_.push_back(field["name"].text);
    for (const Json& steps : observation["target_steps"].items) target_steps_.push_back(steps.whole());
  }

  void read_reference(const Json& reference) {
    duration_ = reference["duration"].number;
    loop_ = reference["loop"].truth;
    rate_ = reference["table"]["rate"].number;
    displacement_ = reference["cycle"]["displacement"].vec();
    first_ = reference["cycle"]["first_pos"].vec();
    cycle_yaw_ = reference["cycle"]["yaw"].number;
    clip_fps_ = reference["clip_fps"].number;
    clip_frames_ = reference["clip_frames"].whole();
  }

  static void unpack(const Json& index, const std::string& bytes, std::map<std::string, Tensor>& out) {
    const uint16_t probe = 1;
    if (*reinterpret_cast<const unsigned char*>(&probe) != 1) throw std::runtime_error("this machine is big-endian");
    for (const auto& [name, entry] : index.members) {
      Tensor tensor;
      double count = 1;
      for (double size : entry["shape"].numbers()) {
        tensor.shape.push_back(static_cast<size_t>(size));
        count *= size;
      }
      const double offset = entry["offset"].number;
      if (count < 0 || offset < 0 || offset + 4 * count > static_cast<double>(bytes.size()))
        throw std::runtime_error(name + ": the binary file is too short");
      tensor.data.resize(static_cast<size_t>(count));
      std::memcpy(tensor.data.data(), bytes.data() + static_cast<size_t>(offset), 4 * tensor.data.size());
      out[name] = std::move(tensor);
    }
  }

  /// Everything that is indexed later lies where it may; so a damaged bundle cannot make us read elsewhere.
  void check() const {
    auto claim = [](bool holds, const char* what) { if (!holds) throw std::runtime_error(what); };
    for (const Joint& j : joints_)
      claim(j.qpos >= 7 && j.qpos + (j.ball ? 4 : 1) <= nq && j.qvel >= 6 && j.qvel + j.dofs <= nv && j.dof >= 0 &&
                j.dof + j.dofs <= act_dim && j.dofs == (j.ball ? 3 : 1), "skeleton.json: a joint lies outside qpos or qvel");
    for (size_t b = 0; b < bodies_.size(); ++b)
      claim(bodies_[b].parent < static_cast<int>(b) && (b == 0) == (bodies_[b].parent < 0) &&
                bodies_[b].joint < static_cast<int>(joints_.size()), "skeleton.json: bodies are not in order");
    claim(static_cast<int>(offset_.size()) == act_dim && static_cast<int>(scale_.size()) == act_dim, "control.json: action");
    size_t inputs = static_cast<size_t>(obs_dim);
    for (int layer = 0; layer < layers_; ++layer) {
      const Tensor& weight = tensor("weight." + std::to_string(layer));
      claim(weight.shape.size() == 2 && weight.shape[1] == inputs, "weights.json: layers do not fit together");
      inputs = weight.shape[0];
      claim(tensor("bias." + std::to_string(layer)).data.size() == inputs, "weights.json: layers do not fit together");
    }
    claim(layers_ > 0 && static_cast<int>(inputs) == act_dim, "weights.json: the network does not fit the skeleton");
    for (const char* name : {"shift", "scale", "bound"})
      claim(static_cast<int>(tensor(name).data.size()) == obs_dim, "weights.json: the normaliser does not fit");
    const std::pair<const char*, int> tables[] = {{"table.root_pos", 3}, {"table.root_quat", 4}, {"table.pd_target", act_dim}};
    for (const auto& [name, width] : tables) {
      const auto& shape = tensor(name).shape;
      claim(shape.size() == 2 && shape[0] >= 2 && static_cast<int>(shape[1]) == width, "reference.json: table");
    }
    claim(clip_frames_ > 0 && tensor("clip.qpos").data.size() == static_cast<size_t>(clip_frames_ * nq) &&
              tensor("clip.qvel").data.size() == static_cast<size_t>(clip_frames_ * nv), "reference.json: clip");
  }

  const Tensor& tensor(const std::string& name) const {
    auto found = tensors_.find(name);
    if (found == tensors_.end()) throw std::runtime_error("no tensor '" + name + "'");
    return found->second;
  }

  Numbers look_up(const char* name, double clip_time) const {
    const Tensor& table = tensor(name);
    const size_t width = table.shape[1];
    const double x = clip_time * rate_;
    const double row = std::clamp(std::floor(x), 0.0, static_cast<double>(table.shape[0] - 2));
    const float* here = table.data.data() + static_cast<size_t>(row) * width;
    Numbers out(width);
    for (size_t k = 0; k < width; ++k) out[k] = here[k] + (x - row) * (static_cast<double>(here[width + k]) - here[k]);
    return out;
  }

  std::pair<Vec, Quat> root(double clip_time, const Vec& origin, double yaw) const {
    const Quat turn = yaw_quat(yaw);
    const Numbers pos = look_up("table.root_pos", clip_time), quat = look_up("table.root_quat", clip_time);
    return {add(rotate(turn, at3(pos.data())), origin), mul(turn, normalize(at4(quat.data())))};
  }

  Clock ahead(Clock clock, double seconds) const {
    clock.clip_time += seconds;
    if (!loop_) clock.clip_time = std::min(clock.clip_time, duration_);
    for (double i = std::ceil(seconds / duration_) + 1; loop_ && i > 0 && clock.clip_time >= duration_; --i) clock = next_cycle(clock);
    return clock;
  }

  Clock next_cycle(const Clock& at) const {
    const double yaw = at.yaw + cycle_yaw_;
    const Vec end = add(rotate(yaw_quat(at.yaw), add(first_, displacement_)), at.origin);
    return {at.clip_time - duration_, sub(end, rotate(yaw_quat(yaw), first_)), yaw};
  }

  Quat joint_quat(const Joint& j, const Numbers& qpos) const {
    if (j.ball) return at4(&qpos[j.qpos]);
    const double half = qpos[j.qpos] / 2;
    return {std::cos(half), std::sin(half) * j.axis[0], std::sin(half) * j.axis[1], std::sin(half) * j.axis[2]};
  }

  Seen look(const Numbers& qpos, const Numbers& qvel, const Clock& clock) const {
    Seen s;
    s.root = at4(&qpos[3]);
    s.turn = yaw_quat(clock.yaw);
    s.link_turn = heading_ ? yaw_quat(heading(s.root)) : s.turn;
    s.phase = clock.clip_time / duration_;
    for (const Body& body : bodies_) {
      if (body.parent < 0) {
        s.pos.push_back({});
        s.quat.push_back(s.root);
        s.linvel.push_back(at3(&qvel[0]));
        s.angvel.push_back(rotate(s.root, at3(&qvel[3])));
      } else {
        const size_t p = static_cast<size_t>(body.parent);
        const Joint* j = body.joint < 0 ? nullptr : &joints_[static_cast<size_t>(body.joint)];
        const Vec arm = rotate(s.quat[p], body.offset);
        s.pos.push_back(add(s.pos[p], arm));
        s.quat.push_back(j ? mul(s.quat[p], joint_quat(*j, qpos)) : s.quat[p]);
        s.linvel.push_back(add(s.linvel[p], cross(s.angvel[p], arm)));
        Vec spin{};
        for (int k = 0; j && k < 3; ++k) spin[k] = j->ball ? qvel[j->qvel + k] : j->axis[k] * qvel[j->qvel];
        s.angvel.push_back(add(s.angvel[p], rotate(s.quat.back(), spin)));
      }
      s.arm.push_back(rotate(s.quat.back(), body.com));
    }
    return s;
  }

  void append_field(Numbers& out, const std::string& field, const Seen& s, const Numbers& qpos, const Numbers& qvel,
                    const Clock& clock) const {
    const size_t count = bodies_.size();
    const double pi = 3.14159265358979323846;
    auto turn_of = [&s](size_t b) { return b ? s.link_turn : s.turn; };
    if (field == "phase") out.push_back(2 * s.phase - 1);
    else if (field == "phase_circle") append(out, std::array<double, 2>{std::sin(2 * pi * s.phase), std::cos(2 * pi * s.phase)});
    else if (field == "root_height") out.push_back(qpos[2]);
    else if (field == "root_rot") append(out, rot6(mul(conj(s.turn), s.root)));
    else if (field == "root_linvel") append(out, rotate_back(s.turn, s.linvel[0]));
    else if (field == "root_angvel") append(out, rotate_back(s.turn, s.angvel[0]));
    else if (field == "joint_rot") for (const Joint& j : joints_) append(out, rot6(joint_quat(j, qpos)));
    else if (field == "joint_vel") out.insert(out.end(), qvel.begin() + 6, qvel.end());
    else if (field == "body_pos") for (size_t b = 1; b < count; ++b) append(out, rotate_back(s.link_turn, s.pos[b]));
    else if (field == "link_pos") for (size_t b = 0; b < count; ++b) append(out, rotate_back(s.link_turn, add(s.pos[b], s.arm[b])));
    else if (field == "link_rot") for (size_t b = 0; b < count; ++b) append(out, rot6(mul(conj(turn_of(b)), s.quat[b])));
    else if (field == "link_linvel")
      for (size_t b = 0; b < count; ++b) append(out, rotate_back(turn_of(b), add(s.linvel[b], cross(s.angvel[b], s.arm[b]))));
    else if (field == "link_angvel") for (size_t b = 0; b < count; ++b) append(out, rotate_back(turn_of(b), s.angvel[b]));
    else if (field == "target_root")
      for (int steps : target_steps_) {
        const Clock later = ahead(clock, steps * control_dt);
        const auto [pos, quat] = root(later.clip_time, later.origin, later.yaw);
        append(out, rotate_back(s.turn, sub(pos, at3(&qpos[0]))));
        append(out, rot6(mul(conj(s.turn), quat)));
      }
    else if (field == "target_pose")
      for (int steps : target_steps_) append(out, look_up("table.pd_target", ahead(clock, steps * control_dt).clip_time));
    else throw std::runtime_error("observation.json: field '" + field + "' is unknown to this header");
  }
};

}  // namespace mimic

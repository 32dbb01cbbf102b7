// Rotary embeddings of a config.json (gemma4.md (8)-(10), section 10): rope_parameters by layer type, or
// Gemma 3's older rope_theta, rope_local_base_freq and rope_scaling. What comes out is one RopeConfig for
// each layer.
#include "frontend/ModelFamily.h"

using namespace gemmac;

namespace {

constexpr Interval thetaRange = {1, 1e15, true};
constexpr Interval factorRange = {kLeastPositive, 1e6};

/// One layer type's rope, before the head size is known.
struct RopeRule {
  double theta = 1e4;
  double factor = 1;  ///< positions are divided by it
  double partial = 1; ///< share of the head's pairs that rotate
};

/// rope_type (older: type), factor and partial_rotary_factor of `object` into `rule`.
void readKind(const JsonObject &object, RopeRule &rule) {
  llvm::StringRef key = !object.has("rope_type") && object.has("type") ? "type" : "rope_type";
  llvm::StringRef kind = object.stringOr(key, "default");
  double partial = object.numberOr("partial_rotary_factor", 1, {0, 1, true});
  if (kind == "proportional") {
    rule.partial = partial;
    rule.factor = object.numberOr("factor", 1, factorRange);
    return;
  }
  if (kind == "linear")
    rule.factor = object.number("factor", factorRange);
  else if (kind != "default")
    return object.mismatch(key, "\"default\", \"proportional\" or \"linear\"");
  // Such a factor would also change the exponent's denominator, which no released model has.
  if (partial != 1)
    object.mismatch("partial_rotary_factor", "1: only rope_type \"proportional\" rotates a part of the head");
}

/// rope_parameters.<type>; theta may default only where the family has said so (`absentTheta` > 0).
RopeRule readRule(const JsonObject &parameters, llvm::StringRef type, double absentTheta) {
  RopeRule rule;
  if (absentTheta > 0 && !parameters.has(type)) {
    rule.theta = absentTheta;
    return rule;
  }
  JsonObject object = parameters.object(type);
  rule.theta = absentTheta > 0 ? object.numberOr("rope_theta", absentTheta, thetaRange)
                               : object.number("rope_theta", thetaRange);
  readKind(object, rule);
  return rule;
}

/// Gemma 3: everything may be absent; rope_scaling concerns full layers only.
void readGemma3(const JsonObject &text, RopeRule &sliding, RopeRule &full) {
  double fullTheta = text.numberOr("rope_theta", 1e6, thetaRange);
  double slidingTheta = text.numberOr("rope_local_base_freq", 1e4, thetaRange);
  if (text.has("rope_parameters")) {
    JsonObject parameters = text.object("rope_parameters");
    sliding = readRule(parameters, "sliding_attention", slidingTheta);
    full = readRule(parameters, "full_attention", fullTheta);
  } else {
    sliding.theta = slidingTheta;
    full.theta = fullTheta;
  }
  if (text.has("rope_scaling"))
    readKind(text.object("rope_scaling"), full);
}

} // namespace

void gemmac::readRope(ConfigReader &reader) {
  bool hasSliding = false, hasFull = false;
  for (const LayerConfig &layer : reader.config.layers)
    (layer.full ? hasFull : hasSliding) = true;

  RopeRule sliding, full;
  if (reader.isGemma3()) {
    readGemma3(reader.text, sliding, full);
  } else {
    JsonObject parameters = reader.text.object("rope_parameters");
    if (reader.check.failed())
      return;
    if (hasSliding)
      sliding = readRule(parameters, "sliding_attention", 0);
    if (hasFull)
      full = readRule(parameters, "full_attention", 0);
  }
  if (reader.check.failed())
    return;

  for (LayerConfig &layer : reader.config.layers) {
    const RopeRule &rule = layer.full ? full : sliding;
    auto angles = static_cast<int64_t>(rule.partial * static_cast<double>(layer.headDim)) / 2;
    if (angles < 1)
      return reader.check.fail(reader.text.at("rope_parameters"),
                               "partial_rotary_factor " + llvm::Twine(std::to_string(rule.partial)) +
                                   " rotates no pair of a head of " + llvm::Twine(layer.headDim));
    layer.rope = {rule.theta, angles, rule.factor};
  }
}

// gemma4.md sections 2 (Gemma 4) and 10 (Gemma 3), line by line, as ops. The location of an op says where in
// the model it stands ("layers.3.q"); phases, dumps and --stop-after take their names from it.
#include "frontend/ImportText.h"

#include "dialect/gemma/Gemma.h"
#include "frontend/BlockTypes.h"
#include "frontend/TextTensors.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Path.h"

#include <cmath>

using namespace gemmac;
using gemma::WeightOp;
using mlir::FlatSymbolRefAttr;
using mlir::Value;

namespace {

llvm::StringRef familyName(Family family) {
  switch (family) {
  case Family::Gemma3:
    return "gemma3";
  case Family::Gemma4:
    return "gemma4";
  case Family::Gemma4Unified:
    return "gemma4_unified";
  }
  return "gemma4";
}

class TextImporter {
public:
  TextImporter(mlir::MLIRContext &context, const Checkpoint &checkpoint)
      : checkpoint(checkpoint), config(checkpoint.config), symbols(&context), code(&context) {}

  mlir::OwningOpRef<mlir::ModuleOp> build();

private:
  /// K and V of a layer, ready for the cache: [T, kv heads * head dim] each.
  struct KeyValue {
    Value k, v;
  };

  mlir::Location at(llvm::StringRef place) const {
    return mlir::NameLoc::get(mlir::StringAttr::get(code.getContext(), prefix + place));
  }
  mlir::FloatAttr f64(double x) { return code.getF64FloatAttr(x); }
  mlir::IntegerAttr i64(int64_t x) { return code.getI64IntegerAttr(x); }
  mlir::RankedTensorType rows(llvm::ArrayRef<int64_t> columns) const;
  int64_t columns(Value x) const { return llvm::cast<mlir::RankedTensorType>(x.getType()).getShape().back(); }

  WeightOp weight(llvm::StringRef symbol, llvm::StringRef tensor);
  WeightOp layerWeight(llvm::StringRef symbol, llvm::StringRef tensor);
  static FlatSymbolRefAttr reference(WeightOp w) { return FlatSymbolRefAttr::get(w.getSymNameAttr()); }

  Value linear(llvm::StringRef place, Value x, WeightOp w);
  Value norm(llvm::StringRef place, Value x, WeightOp w, int64_t group);
  /// RMSNorm of whole rows with a weight of the layer; place and symbol are one name.
  Value layerNorm(llvm::StringRef name, Value x, llvm::StringRef tensor);
  Value add(llvm::StringRef place, Value a, Value b);
  Value mul(llvm::StringRef place, Value a, Value b);
  Value gelu(llvm::StringRef place, Value x);
  Value scale(llvm::StringRef place, Value x, double factor);
  Value slice(llvm::StringRef place, Value x, int64_t offset, int64_t size);

  void perLayerInputs(Value tokens, Value x);
  KeyValue keyValue(const LayerConfig &layer, Value h);
  Value attention(const LayerConfig &layer, Value h);
  Value mlp(Value x);
  Value moe(Value x);
  Value perLayerBlock(Value x);
  Value decoderLayer(Value x);
  Value forward(Value tokens);

  const Checkpoint &checkpoint;
  const ModelConfig &config;
  mlir::OpBuilder symbols; ///< inserts weights and caches, in order of use, before the function
  mlir::OpBuilder code;    ///< inserts into the function
  std::string prefix;      ///< "layers.N." inside a layer
  int64_t index = 0;       ///< of the layer being built
  Value pos, seq;
  Value ple;                ///< [T, layers * P], (7)
  std::vector<KeyValue> kv; ///< by layer
};

mlir::RankedTensorType TextImporter::rows(llvm::ArrayRef<int64_t> columns) const {
  llvm::SmallVector<int64_t, 3> shape{mlir::ShapedType::kDynamic};
  shape.append(columns.begin(), columns.end());
  return mlir::RankedTensorType::get(shape, mlir::Float32Type::get(code.getContext()));
}

/// Block formats decode to f32.
mlir::Type elementType(mlir::MLIRContext *context, DType type) {
  if (type == DType::BF16)
    return mlir::BFloat16Type::get(context);
  if (type == DType::F16)
    return mlir::Float16Type::get(context);
  return mlir::Float32Type::get(context);
}

/// Declares @symbol for the tensor of that name (with the checkpoint's prefix). The file is named without its
/// folder, so that the IR does not depend on where a checkpoint lies.
WeightOp TextImporter::weight(llvm::StringRef symbol, llvm::StringRef tensor) {
  const TensorInfo *info = checkpoint.tensors->find(tensor);
  assert(info && "loadCheckpoint() lets no checkpoint through that lacks a tensor");
  mlir::MLIRContext *context = symbols.getContext();
  auto type = mlir::RankedTensorType::get(info->shape, elementType(context, info->dtype));
  return WeightOp::create(symbols, at(symbol), (prefix + symbol).str(), type,
                          symbols.getStringAttr(llvm::sys::path::filename(info->file)),
                          symbols.getStringAttr(info->name), i64(static_cast<int64_t>(info->offset)),
                          gemma::Quant::None, blocksOf(info->dtype), mlir::ElementsAttr(),
                          mlir::IntegerAttr());
}

WeightOp TextImporter::layerWeight(llvm::StringRef symbol, llvm::StringRef tensor) {
  return weight(symbol, layerTensorName(config, index, tensor));
}

Value TextImporter::linear(llvm::StringRef place, Value x, WeightOp w) {
  return gemma::LinearOp::create(code, at(place), rows({w.getShape()[0]}), x, reference(w));
}

Value TextImporter::norm(llvm::StringRef place, Value x, WeightOp w, int64_t group) {
  return gemma::RmsNormOp::create(code, at(place), x.getType(), x, w ? reference(w) : FlatSymbolRefAttr(),
                                  i64(group), f64(config.eps), f64(w ? config.normOffset : 0));
}

Value TextImporter::layerNorm(llvm::StringRef name, Value x, llvm::StringRef tensor) {
  return norm(name, x, layerWeight(name, tensor), columns(x));
}

Value TextImporter::add(llvm::StringRef place, Value a, Value b) {
  return gemma::AddOp::create(code, at(place), a.getType(), a, b);
}

Value TextImporter::mul(llvm::StringRef place, Value a, Value b) {
  return gemma::MulOp::create(code, at(place), a.getType(), a, b);
}

Value TextImporter::gelu(llvm::StringRef place, Value x) {
  return gemma::GeluOp::create(code, at(place), x.getType(), x);
}

Value TextImporter::scale(llvm::StringRef place, Value x, double factor) {
  return gemma::ScaleOp::create(code, at(place), x.getType(), x, f64(factor));
}

Value TextImporter::slice(llvm::StringRef place, Value x, int64_t offset, int64_t size) {
  auto type = llvm::cast<mlir::RankedTensorType>(x.getType());
  llvm::SmallVector<int64_t, 3> shape(type.getShape());
  shape.back() = size;
  return gemma::SliceOp::create(code, at(place), mlir::RankedTensorType::get(shape, type.getElementType()), x,
                                i64(offset), i64(size));
}

/// (5)-(7): %ple for all layers at once. x is the scaled embedding, [T, D].
void TextImporter::perLayerInputs(Value tokens, Value x) {
  int64_t p = config.pleDim, width = p * static_cast<int64_t>(config.layers.size());
  WeightOp table = weight("ple", tensorName(config, "embed_tokens_per_layer.weight"));
  Value token = gemma::EmbedOp::create(code, at("ple.embed"), rows({width}), tokens, reference(table),
                                       f64(std::sqrt(static_cast<double>(p))));
  Value context =
      linear("ple.proj", x, weight("ple_proj", tensorName(config, "per_layer_model_projection.weight")));
  context = scale("ple.proj_scale", context, 1 / std::sqrt(static_cast<double>(config.hidden)));
  context = norm("ple.norm", context,
                 weight("ple_norm", tensorName(config, "per_layer_projection_norm.weight")), p);
  ple = scale("ple", add("ple.add", context, token), std::sqrt(0.5));
}

/// (17), (18): keys normed and roped, values normed (Gemma 4) from their own or the keys' raw projection.
TextImporter::KeyValue TextImporter::keyValue(const LayerConfig &layer, Value h) {
  Value kRaw = linear("k", h, layerWeight("k", "self_attn.k_proj.weight"));
  Value v = layer.valueFromKey ? kRaw : linear("v", h, layerWeight("v", "self_attn.v_proj.weight"));
  Value k = norm("k_norm", kRaw, layerWeight("k_norm", "self_attn.k_norm.weight"), layer.headDim);
  k = gemma::RopeOp::create(code, at("k_rope"), k.getType(), k, pos, i64(layer.headDim),
                            i64(layer.rope.angles), f64(layer.rope.theta), f64(layer.rope.factor));
  if (config.valueNorm)
    v = norm("v_norm", v, WeightOp(), layer.headDim);
  return {k, v};
}

/// (16)-(19) and the output projection. A layer that shares its KV fills a cache of its own with its source's
/// very values: the pass share-kv makes one cache of the two.
Value TextImporter::attention(const LayerConfig &layer, Value h) {
  int64_t width = layer.heads * layer.headDim;
  Value q = linear("q", h, layerWeight("q", "self_attn.q_proj.weight"));
  q = norm("q_norm", q, layerWeight("q_norm", "self_attn.q_norm.weight"), layer.headDim);
  q = gemma::RopeOp::create(code, at("q_rope"), q.getType(), q, pos, i64(layer.headDim),
                            i64(layer.rope.angles), f64(layer.rope.theta), f64(layer.rope.factor));
  KeyValue own = layer.kvSource < 0 ? keyValue(layer, h) : kv[static_cast<size_t>(layer.kvSource)];
  kv.push_back(own);

  std::string cache = "kv." + std::to_string(index);
  gemma::CacheOp::create(symbols, at("kv"), cache, static_cast<uint64_t>(layer.kvHeads),
                         static_cast<uint64_t>(layer.headDim), static_cast<uint64_t>(layer.window));
  Value all = gemma::CacheUpdateOp::create(
      code, at("kv"), gemma::KvType::get(code.getContext(), layer.kvHeads, layer.headDim),
      FlatSymbolRefAttr::get(code.getContext(), cache), own.k, own.v, pos, seq);
  Value s = gemma::QkOp::create(code, at("qk"), rows({layer.heads, mlir::ShapedType::kDynamic}), q, all, pos,
                                seq, i64(layer.heads), i64(layer.window), f64(config.attentionScale));
  Value p = gemma::SoftmaxOp::create(code, at("softmax"), s.getType(), s);
  Value a = gemma::PvOp::create(code, at("pv"), rows({width}), p, all, pos, seq);
  return linear("o", a, layerWeight("o", "self_attn.o_proj.weight"));
}

/// (12), the dense part, with its norm before but not after.
Value TextImporter::mlp(Value x) {
  Value h = layerNorm("ln_mlp", x, "pre_feedforward_layernorm.weight");
  Value gate = linear("gate", h, layerWeight("gate", "mlp.gate_proj.weight"));
  Value up = linear("up", h, layerWeight("up", "mlp.up_proj.weight"));
  Value act = mul("act", gelu("gelu", gate), up);
  return linear("down", act, layerWeight("down", "mlp.down_proj.weight"));
}

/// (20)-(22): x is the residual after attention, [T, D].
Value TextImporter::moe(Value x) {
  int64_t inner = config.expertIntermediate;
  Value r = norm("router_norm", x, WeightOp(), config.hidden);
  r = gemma::ScaleByOp::create(code, at("router_scale"), r.getType(), r,
                               reference(layerWeight("router_scale", "router.scale")));
  r = scale("router_scaled", r, 1 / std::sqrt(static_cast<double>(config.hidden)));
  Value scores = linear("router", r, layerWeight("router", "router.proj.weight"));
  Value p = gemma::SoftmaxOp::create(code, at("router_softmax"), scores.getType(), scores);
  auto indexType = mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, config.topK}, code.getI32Type());
  auto top = gemma::TopKOp::create(code, at("top_k"), rows({config.topK}), indexType, p, i64(config.topK),
                                   reference(layerWeight("expert_scale", "router.per_expert_scale")));
  Value u = layerNorm("ln_moe_pre", x, "pre_feedforward_layernorm_2.weight");
  Value gu = gemma::ExpertLinearOp::create(code, at("expert_gate_up"), rows({config.topK, 2 * inner}), u,
                                           top.getIndices(),
                                           reference(layerWeight("expert_gate_up", "experts.gate_up_proj")));
  Value gate = gelu("expert_gelu", slice("expert_gate", gu, 0, inner));
  Value act = mul("expert_act", gate, slice("expert_up", gu, inner, inner));
  Value y = gemma::ExpertLinearOp::create(code, at("expert_down"), rows({config.topK, config.hidden}), act,
                                          top.getIndices(),
                                          reference(layerWeight("expert_down", "experts.down_proj")));
  Value m = gemma::CombineOp::create(code, at("combine"), rows({config.hidden}), y, top.getWeights());
  return layerNorm("ln_moe_post", m, "post_feedforward_layernorm_2.weight");
}

/// (13)
Value TextImporter::perLayerBlock(Value x) {
  Value g = gelu("ple_gelu", linear("ple_gate", x, layerWeight("ple_gate", "per_layer_input_gate.weight")));
  g = mul("ple_act", g, slice("ple_slice", ple, index * config.pleDim, config.pleDim));
  Value y = linear("ple_proj", g, layerWeight("ple_proj", "per_layer_projection.weight"));
  return add("ple_add", x, layerNorm("ln_ple", y, "post_per_layer_input_norm.weight"));
}

/// (11)-(14) of layer `index`.
Value TextImporter::decoderLayer(Value x) {
  const LayerConfig &layer = config.layers[static_cast<size_t>(index)];
  Value a = attention(layer, layerNorm("ln_attn", x, "input_layernorm.weight"));
  x = add("attn_add", x, layerNorm("ln_post_attn", a, "post_attention_layernorm.weight"));
  Value f = mlp(x);
  if (config.experts > 0) {
    f = layerNorm("ln_moe_dense", f, "post_feedforward_layernorm_1.weight");
    f = add("moe_add", f, moe(x));
  }
  x = add("mlp_add", x, layerNorm("ln_post_mlp", f, "post_feedforward_layernorm.weight"));
  if (config.pleDim > 0)
    x = perLayerBlock(x);
  if (config.layerScalar)
    x = gemma::ScaleByOp::create(code, at("scalar"), x.getType(), x,
                                 reference(layerWeight("scalar", "layer_scalar")));
  return x;
}

/// Section 2 as a whole: tokens [T] to logits [T, V].
Value TextImporter::forward(Value tokens) {
  WeightOp embed = weight("embed", tensorName(config, "embed_tokens.weight"));
  Value x = gemma::EmbedOp::create(code, at("embed"), rows({config.hidden}), tokens, reference(embed),
                                   f64(std::sqrt(static_cast<double>(config.hidden))));
  if (config.pleDim > 0)
    perLayerInputs(tokens, x);
  for (index = 0; index < static_cast<int64_t>(config.layers.size()); ++index) {
    prefix = "layers." + std::to_string(index) + ".";
    x = decoderLayer(x);
  }
  prefix.clear();
  x = norm("norm", x, weight("norm", tensorName(config, "norm.weight")), config.hidden);
  x = linear("logits", x, embed);
  if (config.finalSoftcap)
    x = gemma::SoftcapOp::create(code, at("softcap"), x.getType(), x, f64(*config.finalSoftcap));
  return x;
}

mlir::OwningOpRef<mlir::ModuleOp> TextImporter::build() {
  auto module = mlir::ModuleOp::create(at(checkpoint.name));
  module->setAttr("gemma.name", code.getStringAttr(checkpoint.name));
  module->setAttr("gemma.family", code.getStringAttr(familyName(config.family)));
  module->setAttr("gemma.vocab", i64(config.vocab));
  module->setAttr("gemma.hidden", i64(config.hidden));
  module->setAttr("gemma.layers", i64(static_cast<int64_t>(config.layers.size())));
  module->setAttr("gemma.max_positions", i64(config.maxPositions));

  code.setInsertionPointToEnd(module.getBody());
  auto index32 = mlir::RankedTensorType::get({mlir::ShapedType::kDynamic}, code.getI32Type());
  auto type = code.getFunctionType({index32, index32, index32}, {rows({config.vocab})});
  auto function = mlir::func::FuncOp::create(code, at("forward"), "forward", type);
  symbols.setInsertionPoint(function);
  mlir::Block *body = function.addEntryBlock();
  code.setInsertionPointToStart(body);
  pos = body->getArgument(1);
  seq = body->getArgument(2);
  Value logits = forward(body->getArgument(0));
  mlir::func::ReturnOp::create(code, at("return"), logits);
  return module;
}

} // namespace

mlir::OwningOpRef<mlir::ModuleOp> gemmac::importText(mlir::MLIRContext &context,
                                                     const Checkpoint &checkpoint) {
  context.loadDialect<gemma::GemmaDialect, mlir::func::FuncDialect>();
  return TextImporter(context, checkpoint).build();
}

#!/usr/bin/env python3
"""Writes a module in the form that the importer gives it: @forward, one op for each line of gemma4.md section 2.

  gen_model.py e2b|e4b|12b|26b|31b       the shapes of a released size (gemma4.md 1.1), weights `random`
  gen_model.py tiny-e2b|tiny-31b|..      the same structure, small enough to interpret
  gen_model.py random SEED               small, with features and sizes drawn from SEED
"""
import random
import sys

BASE = dict(kv_global=None, ple=0, shared=0, wide=1, key_is_value=False, experts=0, top_k=0, inner=0, offset=0.0,
            scalar=True, softcap=30.0, value_norm=True, scale=1.0, angles_global=None)
SIZES = {
    "e2b": dict(layers=35, period=5, d=1536, heads=8, kv=1, dh=256, dh_global=512, f=6144, wide=2, window=512,
                ple=256, shared=20, vocab=262144),
    "e4b": dict(layers=42, period=6, d=2560, heads=8, kv=2, dh=256, dh_global=512, f=10240, window=512, ple=256,
                shared=18, vocab=262144),
    "12b": dict(layers=48, period=6, d=3840, heads=16, kv=8, kv_global=1, dh=256, dh_global=512, f=15360,
                window=1024, key_is_value=True, vocab=262144),
    "26b": dict(layers=30, period=6, d=2816, heads=16, kv=8, kv_global=2, dh=256, dh_global=512, f=2112,
                window=1024, key_is_value=True, experts=128, top_k=8, inner=704, vocab=262144),
    "31b": dict(layers=60, period=6, d=5376, heads=32, kv=16, kv_global=4, dh=256, dh_global=512, f=21504,
                window=1024, key_is_value=True, vocab=262144),
    "tiny-e2b": dict(layers=7, period=3, d=24, heads=4, kv=1, dh=8, dh_global=12, f=40, wide=2, window=4, ple=8,
                     shared=3, vocab=50),
    "tiny-26b": dict(layers=4, period=2, d=24, heads=4, kv=2, kv_global=1, dh=8, dh_global=12, f=20, window=3,
                     key_is_value=True, experts=5, top_k=2, inner=12, vocab=50),
    "tiny-31b": dict(layers=4, period=2, d=24, heads=4, kv=2, kv_global=1, dh=8, dh_global=12, f=40, window=5,
                     key_is_value=True, vocab=50),
    "tiny-gemma3": dict(layers=4, period=3, d=24, heads=4, kv=2, dh=8, dh_global=8, f=40, window=4, vocab=50,
                        offset=1.0, scalar=False, softcap=None, value_norm=False, scale=8 ** -0.5, angles_global=4),
}


def draw(seed):
    """A small model with random sizes and features."""
    r = random.Random(seed)
    period, kv, group = r.choice([1, 2, 3]), r.choice([1, 2]), r.choice([1, 2, 3])
    own = period + r.randrange(1, 3)
    shared = r.choice([0, 0, 1, 2])
    moe = r.random() < 0.3
    return dict(layers=own + shared, period=period, d=r.choice([12, 20, 32]), heads=kv * group, kv=kv,
                kv_global=r.choice([None, 1]) if not shared else None, dh=r.choice([4, 8]),
                dh_global=r.choice([8, 12]), f=r.choice([16, 24]), wide=r.choice([1, 2]), window=r.randrange(1, 8),
                ple=r.choice([0, 4, 8]), shared=shared, vocab=r.choice([17, 40]),
                key_is_value=r.random() < 0.4 and not shared, experts=4 if moe else 0, top_k=2 if moe else 0,
                inner=8 if moe else 0, offset=r.choice([0.0, 1.0]), scalar=r.random() < 0.7,
                softcap=r.choice([None, 5.0]), value_norm=r.random() < 0.7, scale=r.choice([1.0, 0.5]))


class Writer:
    def __init__(self, config):
        self.c = type("Config", (), {**BASE, **config})
        self.symbols, self.code, self.count = [], [], 0

    def weight(self, name, *shape):
        self.count += 1
        dims = "x".join(map(str, shape))
        self.symbols.append(f"  gemma.weight @{name} {{random = {self.count} : i64}} : tensor<{dims}xf32>")
        return "@" + name

    def op(self, place, text):
        value = "%" + place.replace(".", "_")
        self.code.append(f'    {value} = {text} loc("{place}")')
        return value

    def linear(self, place, x, k, n, symbol=None):
        w = symbol or self.weight(place, n, k)
        return self.op(place, f"gemma.linear {x}, {w} : tensor<?x{k}xf32> -> tensor<?x{n}xf32>")

    def norm(self, place, x, width, group=None, weighted=True):
        group = group or width
        w = ", " + self.weight(place, group) if weighted else ""
        offset = f", offset = {self.c.offset} : f64" if weighted and self.c.offset else ""
        return self.op(place, f"gemma.rms_norm {x}{w} {{group = {group} : i64, eps = 1.0e-06 : f64{offset}}} : tensor<?x{width}xf32>")

    def binary(self, place, name, a, b, shape):
        return self.op(place, f"gemma.{name} {a}, {b} : tensor<?x{shape}xf32>")

    def scaled(self, place, x, factor, width):
        return self.op(place, f"gemma.scale {x} {{factor = {factor!r} : f64}} : tensor<?x{width}xf32>")

    def sliced(self, place, x, offset, size, before, lead=""):
        return self.op(place, f"gemma.slice {x} {{offset = {offset} : i64, size = {size} : i64}} : "
                              f"tensor<?x{lead}{before}xf32> -> tensor<?x{lead}{size}xf32>")

    def rope(self, place, x, width, dh, full):
        angles = dh // 2 if not full else self.c.angles_global or max(1, dh // 8)
        theta = "1.0e+06" if full else "1.0e+04"
        return self.op(place, f"gemma.rope {x}, %pos {{head_dim = {dh} : i64, angles = {angles} : i64, theta = {theta} : f64}} : "
                              f"tensor<?x{width}xf32>, tensor<?xi32>")

    def per_layer_inputs(self, x):
        c, width = self.c, self.c.ple * self.c.layers
        table = self.weight("ple", c.vocab, width)
        a = self.op("ple.embed", f"gemma.embed %tokens, {table} {{scale = {c.ple ** 0.5!r} : f64}} : tensor<?xi32> -> tensor<?x{width}xf32>")
        b = self.linear("ple.proj", x, c.d, width, self.weight("ple_proj", width, c.d))
        b = self.scaled("ple.proj_scale", b, c.d ** -0.5, width)
        w = self.weight("ple_norm", c.ple)
        b = self.op("ple.norm", f"gemma.rms_norm {b}, {w} {{group = {c.ple} : i64, eps = 1.0e-06 : f64}} : tensor<?x{width}xf32>")
        return self.scaled("ple.sum", self.binary("ple.add", "add", b, a, width), 0.5 ** 0.5, width)

    def attention(self, n, h, kv):
        c, p, full = self.c, f"layers.{n}.", (n + 1) % self.c.period == 0
        dh = c.dh_global if full else c.dh
        kv_heads = c.kv_global if full and c.kv_global else c.kv
        width, kv_width, window = c.heads * dh, kv_heads * dh, 0 if full else c.window
        q = self.norm(p + "q_norm", self.linear(p + "q", h, c.d, width), width, dh)
        q = self.rope(p + "q_rope", q, width, dh, full)
        if n < c.layers - c.shared:
            raw = self.linear(p + "k", h, c.d, kv_width)
            v = raw if full and c.key_is_value else self.linear(p + "v", h, c.d, kv_width)
            k = self.rope(p + "k_rope", self.norm(p + "k_norm", raw, kv_width, dh), kv_width, dh, full)
            if c.value_norm:
                v = self.norm(p + "v_norm", v, kv_width, dh, weighted=False)
            kv[full] = (k, v)
        k, v = kv[full]
        self.symbols.append(f"  gemma.cache @kv.{n} {{heads = {kv_heads} : i64, head_dim = {dh} : i64, window = {window} : i64}}")
        rows = "tensor<?xi32>"
        all_kv = self.op(p + "kv", f"gemma.cache_update @kv.{n}, {k}, {v}, %pos, %seq : tensor<?x{kv_width}xf32>, {rows} -> !gemma.kv<{kv_heads} x {dh}>")
        kv_type, scores = f"!gemma.kv<{kv_heads} x {dh}>", f"tensor<?x{c.heads}x?xf32>"
        s = self.op(p + "qk", f"gemma.qk {q}, {all_kv}, %pos, %seq {{heads = {c.heads} : i64, window = {window} : i64, scale = {c.scale!r} : f64}} : "
                              f"tensor<?x{width}xf32>, {kv_type}, {rows} -> {scores}")
        s = self.op(p + "softmax", f"gemma.softmax {s} : {scores}")
        a = self.op(p + "pv", f"gemma.pv {s}, {all_kv}, %pos, %seq : {scores}, {kv_type}, {rows} -> tensor<?x{width}xf32>")
        return self.linear(p + "o", a, width, c.d)

    def mlp(self, n, x):
        c, p = self.c, f"layers.{n}."
        f = c.f * (c.wide if n >= c.layers - c.shared else 1)
        h = self.norm(p + "ln_mlp", x, c.d)
        gate, up = self.linear(p + "gate", h, c.d, f), self.linear(p + "up", h, c.d, f)
        gate = self.op(p + "gelu", f"gemma.gelu {gate} : tensor<?x{f}xf32>")
        return self.linear(p + "down", self.binary(p + "act", "mul", gate, up, f), f, c.d)

    def experts(self, n, x):
        c, p = self.c, f"layers.{n}."
        r = self.norm(p + "router_norm", x, c.d, weighted=False)
        r = self.op(p + "router_scale", f"gemma.scale_by {r}, {self.weight(p + 'router_scale', c.d)} : tensor<?x{c.d}xf32>")
        s = self.linear(p + "router", self.scaled(p + "router_scaled", r, c.d ** -0.5, c.d), c.d, c.experts)
        s = self.op(p + "router_softmax", f"gemma.softmax {s} : tensor<?x{c.experts}xf32>")
        scale = self.weight(p + "expert_scale", c.experts)
        index = f"tensor<?x{c.top_k}xi32>"
        self.code.append(f'    %w{n}, %i{n} = gemma.top_k {s}, {scale} {{k = {c.top_k} : i64}} : tensor<?x{c.experts}xf32> -> tensor<?x{c.top_k}xf32>, {index} loc("{p}top_k")')
        u = self.norm(p + "ln_moe_pre", x, c.d)
        w = self.weight(p + "expert_gate_up", c.experts, 2 * c.inner, c.d)
        gu = self.op(p + "expert_gate_up", f"gemma.expert_linear {u}, %i{n}, {w} : tensor<?x{c.d}xf32>, {index} -> tensor<?x{c.top_k}x{2 * c.inner}xf32>")
        lead = f"{c.top_k}x"
        g = self.sliced(p + "expert_gate", gu, 0, c.inner, 2 * c.inner, lead)
        g = self.op(p + "expert_gelu", f"gemma.gelu {g} : tensor<?x{lead}{c.inner}xf32>")
        a = self.binary(p + "expert_act", "mul", g, self.sliced(p + "expert_up", gu, c.inner, c.inner, 2 * c.inner, lead), f"{lead}{c.inner}")
        w = self.weight(p + "expert_down", c.experts, c.d, c.inner)
        y = self.op(p + "expert_down", f"gemma.expert_linear {a}, %i{n}, {w} : tensor<?x{lead}{c.inner}xf32>, {index} -> tensor<?x{lead}{c.d}xf32>")
        m = self.op(p + "combine", f"gemma.combine {y}, %w{n} : tensor<?x{lead}{c.d}xf32>, tensor<?x{c.top_k}xf32> -> tensor<?x{c.d}xf32>")
        return self.norm(p + "ln_moe_post", m, c.d)

    def layer(self, n, x, kv, ple):
        c, p = self.c, f"layers.{n}."
        a = self.attention(n, self.norm(p + "ln_attn", x, c.d), kv)
        x = self.binary(p + "attn_add", "add", x, self.norm(p + "ln_post_attn", a, c.d), c.d)
        f = self.mlp(n, x)
        if c.experts:
            f = self.binary(p + "moe_add", "add", self.norm(p + "ln_moe_dense", f, c.d), self.experts(n, x), c.d)
        x = self.binary(p + "mlp_add", "add", x, self.norm(p + "ln_post_mlp", f, c.d), c.d)
        if c.ple:
            g = self.linear(p + "ple_gate", x, c.d, c.ple)
            g = self.op(p + "ple_gelu", f"gemma.gelu {g} : tensor<?x{c.ple}xf32>")
            s = self.sliced(p + "ple_slice", ple, n * c.ple, c.ple, c.ple * c.layers)
            y = self.linear(p + "ple_proj", self.binary(p + "ple_act", "mul", g, s, c.ple), c.ple, c.d)
            x = self.binary(p + "ple_add", "add", x, self.norm(p + "ln_ple", y, c.d), c.d)
        if c.scalar:
            x = self.op(p + "scalar", f"gemma.scale_by {x}, {self.weight(p + 'scalar', 1)} : tensor<?x{c.d}xf32>")
        return x

    def module(self, name):
        c = self.c
        table = self.weight("embed", c.vocab, c.d)
        x = self.op("embed", f"gemma.embed %tokens, {table} {{scale = {c.d ** 0.5!r} : f64}} : tensor<?xi32> -> tensor<?x{c.d}xf32>")
        ple, kv = self.per_layer_inputs(x) if c.ple else None, {}
        for n in range(c.layers):
            x = self.layer(n, x, kv, ple)
        logits = self.linear("logits", self.norm("norm", x, c.d), c.d, c.vocab, "@embed")
        if c.softcap:
            logits = self.op("softcap", f"gemma.softcap {logits} {{cap = {c.softcap} : f64}} : tensor<?x{c.vocab}xf32>")
        head = (f'module attributes {{gemma.name = "{name}", gemma.family = "gemma4", gemma.vocab = {c.vocab} : i64, '
                f"gemma.hidden = {c.d} : i64, gemma.layers = {c.layers} : i64}} {{")
        start = (f"  func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x{c.vocab}xf32> {{")
        return "\n".join([head, *self.symbols, start, *self.code, f"    return {logits} : tensor<?x{c.vocab}xf32>", "  }", "}"])


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "random":
        print(Writer(draw(int(sys.argv[2]))).module("random"))
    elif len(sys.argv) == 2 and sys.argv[1] in SIZES:
        print(Writer(SIZES[sys.argv[1]]).module(sys.argv[1]))
    else:
        sys.exit(__doc__)

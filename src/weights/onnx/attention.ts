/**
 * Window and channel attention as ONNX nodes, after their definitions in `ops/window-attention.ts` and
 * `ops/channel-attention.ts`, for any image size.
 */
import type { Graph, Value } from './graph';
import type { KernelRule } from './kernels';
import { ELEMENT } from './proto';
import { combine, dimKey, type Dim } from './sizes';

/** Of a slice: to the end of the axis. */
const END = Number.MAX_SAFE_INTEGER;
const MASKED = -100;

export const windowAttentionRule: KernelRule = {
  shapes: ({ qkv: [b, h, w, c3], bias: [heads, tokens] }) => [
    [b, h, w, c3 / 3],
    [b, (h * w) / tokens, heads, tokens],
  ],
  emit: (graph, { qkv, bias }, attrs, [shape]) => {
    const windows = attrs.window as readonly number[];
    const shifts = attrs.shift as readonly number[];
    const count = windows.length / 2;
    const heads = (attrs.heads as number) / count;
    const [b, h, w, c] = shape;
    const channels = (c as number) / count;
    const byPart = graph.node('Reshape', [graph.plain(qkv), graph.sizes([b, h, w, 3, c])]);
    const outputs = Array.from({ length: count }, (_, g) => {
      const group: Group = {
        size: [h, w],
        batch: b,
        window: [windows[2 * g], windows[2 * g + 1]],
        shift: [shifts[2 * g], shifts[2 * g + 1]],
        heads,
        channels,
      };
      const own = count === 1 ? byPart : sliceAxis(graph, byPart, 4, g * channels, (g + 1) * channels);
      const ownBias =
        count === 1 ? graph.plain(bias) : sliceAxis(graph, graph.plain(bias), 0, g * heads, (g + 1) * heads);
      return attendInWindows(graph, own, ownBias, attrs.scale as number, group);
    });
    return [{ shape, plain: count === 1 ? outputs[0] : graph.node('Concat', outputs, { axis: 3 }) }];
  },
};

interface Group {
  readonly batch: Dim;
  readonly size: readonly [Dim, Dim];
  readonly window: readonly [number, number];
  readonly shift: readonly [number, number];
  readonly heads: number;
  /** Of all heads of the group. */
  readonly channels: number;
}

/** [B, H, W, 3, C of the group] to [B, H, W, C of the group]. */
function attendInWindows(graph: Graph, qkv: string, bias: string, scale: number, group: Group): string {
  const { batch, heads, channels } = group;
  const [wh, ww] = group.window;
  const [rows, columns] = group.size.map((n, i) => combine([n], (v) => v / group.window[i]));
  const tokens = wh * ww;
  const d = channels / heads;

  const rolled = roll(graph, qkv, group.shift);
  const cut = graph.node('Reshape', [rolled, graph.sizes([batch, rows, wh, columns, ww, 3, heads, d])]);
  const byWindow = graph.node('Transpose', [cut], { perm: [5, 0, 1, 3, 6, 2, 4, 7] });
  const parts = graph.node('Reshape', [byWindow, graph.integers([3, -1, heads, tokens, d])]);
  const [q, k, v] = unstack(graph, parts); // [B windows, heads, N, d] each

  const scaled = graph.node('Mul', [q, graph.floats([scale], [])]);
  const products = graph.node('MatMul', [scaled, graph.node('Transpose', [k], { perm: [0, 1, 3, 2] })]);
  let logits = graph.node('Add', [products, bias]);
  if (group.shift.some((s) => s > 0)) {
    const windows = combine([rows, columns], (a, b) => a * b);
    const perImage = graph.node('Reshape', [logits, graph.sizes([-1, windows, heads, tokens, tokens])]);
    const masked = graph.node('Add', [perImage, mask(graph, group)]);
    logits = graph.node('Reshape', [masked, graph.integers([-1, heads, tokens, tokens])]);
  }
  const y = graph.node('MatMul', [graph.node('Softmax', [logits], { axis: -1 }), v]);

  const windows = graph.node('Reshape', [y, graph.sizes([batch, rows, columns, heads, wh, ww, d])]);
  const image = graph.node('Transpose', [windows], { perm: [0, 1, 4, 2, 5, 3, 6] });
  const whole = graph.node('Reshape', [image, graph.sizes([batch, ...group.size, channels])]);
  return roll(graph, whole, [-group.shift[0], -group.shift[1]]);
}

/** [windows, 1, N, N]: -100 between tokens that only the roll has brought together, else 0. */
function mask(graph: Graph, { size, window, shift }: Group): string {
  const [wh, ww] = window;
  return graph.once(`mask ${size.map(dimKey).join(', ')} ${String(window)} ${String(shift)}`, () => {
    const [zoneRows, zoneColumns] = size.map((n, axis) => zones(graph, n, window[axis], shift[axis]));
    const region = graph.node('Add', [
      graph.node('Mul', [graph.node('Unsqueeze', [zoneRows, graph.integers([1])]), graph.integers(3)]),
      graph.node('Unsqueeze', [zoneColumns, graph.integers([0])]),
    ]); // [H, W]
    const [rows, columns] = size.map((n, i) => combine([n], (v) => v / window[i]));
    const cut = graph.node('Reshape', [region, graph.sizes([rows, wh, columns, ww])]);
    const byWindow = graph.node('Transpose', [cut], { perm: [0, 2, 1, 3] });
    const ofTokens = graph.node('Reshape', [byWindow, graph.integers([-1, 1, wh * ww])]); // [windows, 1, N]
    const same = graph.node('Equal', [
      graph.node('Unsqueeze', [ofTokens, graph.integers([3])]),
      graph.node('Unsqueeze', [ofTokens, graph.integers([2])]),
    ]); // [windows, 1, N, N]
    return graph.node('Where', [same, graph.floats([0], []), graph.floats([MASKED], [])]);
  });
}

/** 0 before L - w, 1 before L - s, then 2: [L]. */
function zones(graph: Graph, length: Dim, window: number, shift: number): string {
  const size = graph.node('Squeeze', [graph.sizes([length])]);
  const positions = graph.node('Range', [graph.integers(0), size, graph.integers(1)]);
  const past = (n: number): string => {
    const edge = graph.node('Sub', [size, graph.integers(n)]);
    return graph.node('Cast', [graph.node('GreaterOrEqual', [positions, edge])], { to: ELEMENT.int64 });
  };
  return graph.node('Add', [past(window), past(shift)]);
}

/** out[b, y, x] = in[b, (y + shift[0]) mod H, (x + shift[1]) mod W]. */
function roll(graph: Graph, x: string, shift: readonly [number, number]): string {
  return shift.reduce((y, s, i) => {
    if (s === 0) return y;
    // A negative place counts from the end, as in Python.
    const parts = [sliceAxis(graph, y, i + 1, s, END), sliceAxis(graph, y, i + 1, 0, s)];
    return graph.node('Concat', parts, { axis: i + 1 });
  }, x);
}

function sliceAxis(graph: Graph, x: string, axis: number, from: number, to: number): string {
  return graph.node('Slice', [x, graph.integers([from]), graph.integers([to]), graph.integers([axis])]);
}

/** [3, ...] to its three parts. */
function unstack(graph: Graph, x: string): string[] {
  const parts = graph.split('Split', [x, graph.integers([1, 1, 1])], 3, { axis: 0 });
  return parts.map((part) => graph.node('Squeeze', [part, graph.integers([0])]));
}

export const channelAttentionRule: KernelRule = {
  shapes: ({ qkv: [b, h, w, c3], temperature: [heads] }) => {
    const d = c3 / 3 / heads;
    return [
      [b, h, w, c3 / 3],
      [b, heads, d, d],
      [b, heads, d, d],
      [b, 2, c3 / 3],
    ];
  },
  emit: (graph, { qkv, temperature }, attrs, [shape]) => {
    const heads = attrs.heads as number;
    const [b, h, w, c] = shape;
    const pixels = combine([h, w], (x, y) => x * y);
    const d = (c as number) / heads;
    const cut = graph.node('Reshape', [graph.plain(qkv), graph.sizes([b, pixels, 3, heads, d])]);
    const maps = graph.node('Transpose', [cut], { perm: [2, 0, 3, 4, 1] });
    const [q, k, v] = unstack(graph, maps); // [B, heads, d, H W] each
    const keys = graph.node('Transpose', [unit(graph, k)], { perm: [0, 1, 3, 2] });
    const cosine = graph.node('MatMul', [unit(graph, q), keys]); // [B, heads, d, d]
    const logits = graph.node('Mul', [cosine, perHead(graph, temperature, heads)]);
    const y = graph.node('MatMul', [graph.node('Softmax', [logits], { axis: -1 }), v]);
    const image = graph.node('Reshape', [y, graph.sizes([b, c, h, w])]);
    return [{ shape, nchw: image }];
  },
};

/** Rows divided by their length, which is at least 1e-12. */
function unit(graph: Graph, rows: string): string {
  const norm = graph.node('ReduceL2', [rows], { axes: [-1], keepdims: 1 });
  return graph.node('Div', [rows, graph.node('Max', [norm, graph.floats([1e-12], [])])]);
}

function perHead(graph: Graph, temperature: Value, heads: number): string {
  const shape = [heads, 1, 1];
  if (temperature.constant !== undefined) return graph.constant({ ...temperature.constant, shape });
  return graph.node('Reshape', [graph.plain(temperature), graph.integers(shape)]);
}

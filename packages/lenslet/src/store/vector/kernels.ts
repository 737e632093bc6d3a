import {
  type Code,
  doWhile,
  f32,
  get,
  i32,
  i32Type,
  set,
  v128,
  v128Type,
  wasmModule,
  type WasmFunction,
} from "./wasm.ts";

/**
 * Dot products of one query with many vectors that lie in `memory`. Writes one number of four bytes for each entry of
 * the list: `codes + list[i] * codeBytes` is where a vector begins. All addresses are multiples of 16 (`list` and
 * `out`: of 4), `count` is at least 1.
 */
export type Kernel = (
  codes: number,
  codeBytes: number,
  list: number,
  count: number,
  query: number,
  out: number,
) => void;

export interface Kernels {
  /**
   * Vectors of whole numbers 0 to 15 with a query of bytes -127 to 127; the sums are i32. Of each 16 bytes, the low
   * halves are 16 numbers and the high halves the next 16. `codeBytes` is a multiple of 64.
   */
  readonly nibbles: Kernel;
  /** Vectors and query of f32, `codeBytes` a multiple of 16; the sums are f32. */
  readonly floats: Kernel;
}

export function createKernels(memory: WebAssembly.Memory): Kernels {
  const instance = new WebAssembly.Instance(compiled(), { env: { memory } });
  return instance.exports as unknown as Kernels;
}

let compiledModule: WebAssembly.Module | null = null;

function compiled(): WebAssembly.Module {
  compiledModule ??= new WebAssembly.Module(wasmModule([nibbles(), floats()]));
  return compiledModule;
}

// Parameters and locals of both.
const [codes, codeBytes, list, count, query, out, at, end, queryAt, listEnd, sum, part] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
] as const;
const shape = { parameters: 6, locals: [i32Type, i32Type, i32Type, i32Type, v128Type, v128Type] } as const;

const advance = (local: number, bytes: number): Code => set(local, i32.add(get(local), i32.const(bytes)));

/** For each vector: `at` to `end` is its code, `sum` starts at zero; `step` consumes some of it, `finish` writes the result. */
function overList(step: Code, finish: Code): Code {
  return [
    set(listEnd, i32.add(get(list), i32.mul(get(count), i32.const(4)))),
    doWhile(
      [
        set(at, i32.add(get(codes), i32.mul(i32.load(get(list)), get(codeBytes)))),
        set(end, i32.add(get(at), get(codeBytes))),
        set(queryAt, get(query)),
        set(sum, v128.zero),
        doWhile(step, i32.lessUnsigned(get(at), get(end))),
        finish,
        advance(list, 4),
        advance(out, 4),
      ],
      i32.lessUnsigned(get(list), get(listEnd)),
    ),
  ];
}

const lanes = [0, 1, 2, 3] as const;

function nibbles(): WasmFunction {
  const mask = v128.bytes(0x0f);
  // A product is at most 127 * 15, and a lane gets 16 of them here: just below what i16 holds.
  const products = lanes.flatMap((block) => {
    const code = v128.load(get(at), block * 16);
    const high = v128.i16x8ShiftRightUnsigned(code, i32.const(4));
    return [
      v128.i16x8RelaxedDot(v128.load(get(queryAt), block * 32), v128.and(code, mask)),
      v128.i16x8RelaxedDot(v128.load(get(queryAt), block * 32 + 16), v128.and(high, mask)),
    ];
  });
  const step = [
    set(
      part,
      products.reduce((a, b) => v128.i16x8Add(a, b)),
    ),
    set(sum, v128.i32x4Add(get(sum), v128.i32x4ExtendAddPairwise(get(part)))),
    advance(at, 64),
    advance(queryAt, 128),
  ];
  const total = lanes.map((lane) => v128.i32x4Lane(get(sum), lane)).reduce((a, b) => i32.add(a, b));
  return { name: "nibbles", ...shape, body: overList(step, i32.store(get(out), total)) };
}

function floats(): WasmFunction {
  const step = [
    set(sum, v128.f32x4Add(get(sum), v128.f32x4Mul(v128.load(get(at), 0), v128.load(get(queryAt), 0)))),
    advance(at, 16),
    advance(queryAt, 16),
  ];
  const total = lanes.map((lane) => v128.f32x4Lane(get(sum), lane)).reduce((a, b) => f32.add(a, b));
  return { name: "floats", ...shape, body: overList(step, f32.store(get(out), total)) };
}

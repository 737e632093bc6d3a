/**
 * Just enough of WebAssembly's binary format (the core specification, "Binary Format") to write the few loops of
 * kernels.ts. Code is nested lists of bytes, flattened at the end.
 */
export type Code = number | readonly Code[];

/** What the types of Node leave out. */
declare global {
  namespace WebAssembly {
    class Memory {
      constructor(descriptor: { readonly initial: number; readonly maximum: number });
      readonly buffer: ArrayBuffer;
      grow(pages: number): number;
    }
    class Instance {
      constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, Memory>>>>);
      readonly exports: Readonly<Record<string, unknown>>;
    }
    class Module {
      constructor(bytes: Uint8Array<ArrayBuffer>);
      readonly [Symbol.toStringTag]: string;
    }
  }
}

export interface WasmFunction {
  readonly name: string;
  /** All of them i32; there is no result. */
  readonly parameters: number;
  /** Types of the other locals, numbered on from the parameters. */
  readonly locals: readonly (typeof i32Type | typeof v128Type)[];
  readonly body: Code;
}

export const i32Type = 0x7f;
export const v128Type = 0x7b;

/** A module that imports `env.memory` and exports `functions`. */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [0x60, vector(repeat(parameters, i32Type)), unsigned(0)]);
  const memory = [text("env"), text("memory"), 0x02, 0x00, unsigned(1)];
  const exported = functions.map(({ name }, index) => [text(name), 0x00, unsigned(index)]);
  const bodies = functions.map(({ locals, body }) => {
    const code = flat([vector(locals.map((type) => [unsigned(1), type])), body, 0x0b]);
    return [unsigned(code.length), code];
  });
  return new Uint8Array(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, types),
      section(2, [memory]),
      section(
        3,
        functions.map((_, index) => unsigned(index)),
      ),
      section(7, exported),
      section(10, bodies),
    ]),
  );
}

export const get = (local: number): Code => [0x20, unsigned(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, unsigned(local)];
/** Repeats `body` while the condition, which is evaluated after it, is not zero. */
export const doWhile = (body: Code, condition: Code): Code => [0x03, 0x40, body, condition, 0x0d, 0x00, 0x0b];

export const i32 = {
  const: (value: number): Code => [0x41, signed(value)],
  add: (a: Code, b: Code): Code => [a, b, 0x6a],
  mul: (a: Code, b: Code): Code => [a, b, 0x6c],
  lessUnsigned: (a: Code, b: Code): Code => [a, b, 0x49],
  load: (address: Code): Code => [address, 0x28, 0x02, 0x00],
  store: (address: Code, value: Code): Code => [address, value, 0x36, 0x02, 0x00],
};

export const f32 = {
  add: (a: Code, b: Code): Code => [a, b, 0x92],
  store: (address: Code, value: Code): Code => [address, value, 0x38, 0x02, 0x00],
};

const simd = (opcode: number, ...operands: Code[]): Code => [...operands, 0xfd, unsigned(opcode)];

/** Names as in the specification. */
export const v128 = {
  zero: [0xfd, 0x0c, ...repeat(16, 0)] as Code,
  bytes: (value: number): Code => [0xfd, 0x0c, ...repeat(16, value)],
  load: (address: Code, offset: number): Code => [address, 0xfd, 0x00, 0x04, unsigned(offset)],
  and: (a: Code, b: Code): Code => simd(0x4e, a, b),
  i16x8ShiftRightUnsigned: (a: Code, by: Code): Code => simd(0x8d, a, by),
  i16x8Add: (a: Code, b: Code): Code => simd(0x8e, a, b),
  i32x4ExtendAddPairwise: (a: Code): Code => simd(0x7e, a),
  i32x4Add: (a: Code, b: Code): Code => simd(0xae, a, b),
  i32x4Lane: (a: Code, lane: number): Code => [simd(0x1b, a), lane],
  f32x4Add: (a: Code, b: Code): Code => simd(0xe4, a, b),
  f32x4Mul: (a: Code, b: Code): Code => simd(0xe6, a, b),
  f32x4Lane: (a: Code, lane: number): Code => [simd(0x1f, a), lane],
  /**
   * Sums of products of neighbours, as i16x8: bytes of `a` are signed, those of `b` at most 127, for then, and if no sum
   * overflows, the result is the same on every machine.
   */
  i16x8RelaxedDot: (a: Code, b: Code): Code => simd(0x112, a, b),
};

function section(id: number, items: readonly Code[]): Code {
  const content = flat(vector(items));
  return [id, unsigned(content.length), content];
}

function vector(items: readonly Code[]): Code {
  return [unsigned(items.length), items];
}

function text(value: string): Code {
  return vector([...Buffer.from(value)]);
}

function repeat<T>(times: number, item: T): T[] {
  return Array.from({ length: times }, () => item);
}

function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const byte = rest & 0x7f;
    if ((rest >> 7 === 0 && (byte & 0x40) === 0) || (rest >> 7 === -1 && (byte & 0x40) !== 0))
      return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

function flat(code: Code, bytes: number[] = []): number[] {
  if (typeof code === "number") bytes.push(code);
  else for (const part of code) flat(part, bytes);
  return bytes;
}

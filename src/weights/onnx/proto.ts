/**
 * Writing ONNX files (github.com/onnx/onnx, `onnx.proto`): the messages that an exported network needs, in protobuf's
 * wire format. Nothing here knows what the nodes mean.
 *
 * Left out: everything that the exporter does not write, such as sub-graphs, sparse tensors and external data (so a file
 * stays below protobuf's 2 GiB).
 */

/** ONNX's numbers for element types. */
export const ELEMENT = { float: 1, int32: 6, int64: 7 } as const;

export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly op: string;
  /** An empty name leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers unless marked as float. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface OnnxTensor {
  readonly name: string;
  readonly type: (typeof ELEMENT)[keyof typeof ELEMENT];
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/** An input or output of float32; a string is the name of a size that is known only when the network runs. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly description: string;
}

export interface OnnxModel {
  readonly name: string;
  readonly description: string;
  readonly producerVersion: string;
  /** Version of the operator set. */
  readonly opset: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
  readonly tensors: readonly OnnxTensor[];
}

/** Version of the file format; 8 goes with operator set 17 and is read by every runtime since 2022. */
const IR_VERSION = 8;

/** The file's bytes, in chunks; tensor data is not copied. */
export function encodeModel(model: OnnxModel): Uint8Array[] {
  const graph = new Message();
  model.nodes.forEach((node, i) => graph.message(1, encodeNode(node, `${node.op}_${i}`)));
  graph.text(2, model.name);
  for (const tensor of model.tensors) graph.message(5, encodeTensor(tensor));
  for (const value of model.inputs) graph.message(11, encodeValue(value));
  for (const value of model.outputs) graph.message(12, encodeValue(value));

  const file = new Message().integer(1, IR_VERSION).text(2, 'mimicsr').text(3, model.producerVersion);
  file.text(6, model.description).message(7, graph);
  file.message(8, new Message().text(1, '').integer(2, model.opset));
  for (const [key, value] of Object.entries(model.metadata)) {
    file.message(14, new Message().text(1, key).text(2, value));
  }
  return file.chunks;
}

function encodeNode(node: OnnxNode, name: string): Message {
  const message = new Message();
  for (const input of node.inputs) message.text(1, input);
  for (const output of node.outputs) message.text(2, output);
  message.text(3, name).text(4, node.op);
  for (const [key, value] of Object.entries(node.attributes)) {
    message.message(5, encodeAttribute(key, value));
  }
  return message;
}

function encodeAttribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'number') return message.integer(3, value).integer(20, 2);
  if (typeof value === 'string') return message.text(4, value).integer(20, 3);
  if ('float' in value) return message.float(2, value.float).integer(20, 1);
  for (const each of value) message.integer(8, each);
  return message.integer(20, 7);
}

function encodeTensor({ name, type, shape, data }: OnnxTensor): Message {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  return message
    .integer(2, type)
    .text(8, name)
    .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function encodeValue({ name, shape, description }: OnnxValue): Message {
  const dims = new Message();
  for (const size of shape) {
    dims.message(1, typeof size === 'number' ? new Message().integer(1, size) : new Message().text(2, size));
  }
  const tensor = new Message().integer(1, ELEMENT.float).message(2, dims);
  return new Message().text(1, name).message(2, new Message().message(1, tensor)).text(3, description);
}

/** A protobuf message being written: fields by number, in the order of the calls. */
class Message {
  readonly chunks: Uint8Array[] = [];
  private length = 0;

  integer(field: number, value: number): this {
    return this.add(varint(field * 8)).add(varint(value));
  }

  float(field: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.add(varint(field * 8 + 5)).add(bytes);
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.add(varint(field * 8 + 2))
      .add(varint(value.length))
      .add(value);
  }

  message(field: number, value: Message): this {
    this.add(varint(field * 8 + 2)).add(varint(value.length));
    for (const chunk of value.chunks) this.add(chunk);
    return this;
  }

  private add(chunk: Uint8Array): this {
    this.chunks.push(chunk);
    this.length += chunk.length;
    return this;
  }
}

/** Seven bits a byte, lowest first; a negative number takes all 64 bits of its two's complement. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

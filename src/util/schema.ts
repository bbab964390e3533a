import type { z } from 'zod';
import { InputError, unknownName } from './errors';

/**
 * `value` checked by a zod schema (strict objects: unknown keys are errors).
 * @param what names the value in messages: "recipe", "camera options", a file
 * @throws InputError that names the first key at fault, what was expected and what was found
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  // A misspelt key also leaves the right one missing: the misspelling is the fault to name.
  const issue = issues.find((i) => i.code === 'unrecognized_keys') ?? issues[0];
  if (issue.code === 'unrecognized_keys') {
    const place = issue.path.length === 0 ? what : `${issue.path.join('.')} of ${what}`;
    throw unknownName(`key in ${place}`, issue.keys[0], keysAt(schema, issue.path, value));
  }
  const key = issue.path.length === 0 ? '' : ` key '${issue.path.join('.')}':`;
  // A check across keys says what it found (in `params`), which may be a default and so stand nowhere in the input.
  const stated: unknown = issue.code === 'custom' ? issue.params?.found : undefined;
  const found = JSON.stringify(stated ?? at(value, issue.path)) ?? 'nothing';
  throw new InputError(`${what}:${key} ${issue.message.replace(/^Invalid input: /, '')}, found ${found}`);
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(member, value);
}

function member(value: unknown, key: PropertyKey): unknown {
  return (value as Record<PropertyKey, unknown> | undefined)?.[key];
}

/** What this file needs to know of zod's schemas: objects have a shape, wrappers an inner type, unions options. */
interface SchemaNode {
  readonly shape?: Record<PropertyKey, SchemaNode>;
  readonly def?: {
    readonly innerType?: SchemaNode;
    /** Of a transformed schema: what it takes. */
    readonly in?: SchemaNode;
    readonly options?: readonly SchemaNode[];
    /** Of a literal: what it may be. */
    readonly values?: readonly unknown[];
  };
}

/** The keys that the object at `path` of `value` may have. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  let here: SchemaNode | undefined = schema as unknown as SchemaNode;
  let object = value;
  for (const key of path) {
    here = here && shapeOf(here, object)[key];
    object = member(object, key);
  }
  return here === undefined ? [] : Object.keys(shapeOf(here, object));
}

function shapeOf(node: SchemaNode, value: unknown): Record<PropertyKey, SchemaNode> {
  if (node.shape !== undefined) return node.shape;
  if (node.def?.options !== undefined) {
    const fitting = node.def.options.filter((option) => isFor(option, value));
    return Object.assign({}, ...fitting.map((option) => shapeOf(option, value))) as never;
  }
  const inner = node.def?.innerType ?? node.def?.in;
  return inner === undefined ? {} : shapeOf(inner, value);
}

/** Whether an option of a union is meant: its literal keys (`name: 'l1'`) are the value's. */
function isFor(option: SchemaNode, value: unknown): boolean {
  return Object.entries(shapeOf(option, value)).every(
    ([key, { def }]) => def?.values === undefined || def.values.includes(member(value, key)),
  );
}

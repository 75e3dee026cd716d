// Walks the zod schema: which keys there are at a place, and all of them with type, default and description. What
// errors, the reference page and `config show` are made from, so that none of them can drift from the schema.

import { z } from 'zod';

export interface ConfigKey {
  /** Dotted. */
  readonly key: string;
  readonly description: string;
  /** As it would be written in TOML; undefined: a table or no default. */
  readonly default: unknown;
  readonly type: string;
  /** It may be left out, and has no default. */
  readonly isOptional: boolean;
  /** The value is milliseconds in memory and "30 min" in the file. */
  readonly isDuration: boolean;
}

type Schema = z.core.$ZodType;

function unwrap(schema: Schema): Schema {
  const definition = schema._zod.def as { type: string; innerType?: Schema; in?: Schema };
  if (['default', 'prefault', 'optional'].includes(definition.type)) return unwrap(definition.innerType!);
  if (definition.type === 'pipe') return unwrap(definition.in!);
  return schema;
}

function shapeOf(schema: Schema): Record<string, Schema> | undefined {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray) return shapeOf(inner.element as Schema);
  return inner instanceof z.ZodObject ? (inner.shape as Record<string, Schema>) : undefined;
}

/** The names of the keys in the table at `path`; none when it is no table. Array indexes in the path are stepped over. */
export function schemaKeysAt(schema: Schema, path: readonly string[]): string[] {
  let place: Schema | undefined = schema;
  for (const name of path) {
    if (/^\d+$/.test(name)) continue;
    place = place === undefined ? undefined : shapeOf(place)?.[name];
  }
  const shape = place === undefined ? undefined : shapeOf(place);
  return shape === undefined ? [] : Object.keys(shape);
}

function defaultOf(schema: Schema): unknown {
  const definition = schema._zod.def as { type: string; defaultValue?: unknown; in?: Schema };
  if (definition.type === 'default') return definition.defaultValue;
  return definition.type === 'pipe' ? defaultOf(definition.in!) : undefined;
}

function typeOf(schema: Schema): string {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodEnum) return inner.options.map((option) => `"${option}"`).join(' or ');
  if (inner instanceof z.ZodArray) return `list of ${typeOf(inner.element as Schema)}`;
  if (inner instanceof z.ZodUnion)
    return inner.options.map((option) => typeOf(option as Schema)).join(' or ');
  if (inner instanceof z.ZodObject) return 'table';
  return inner._zod.def.type;
}

function descriptionOf(schema: Schema): string {
  return (schema as z.ZodType).description ?? '';
}

function isDuration(schema: Schema): boolean {
  return (schema as z.ZodType).meta()?.quantity === 'duration';
}

/** Every key below `schema`, tables before their members, in the schema's order. */
export function schemaKeys(schema: Schema, prefix = ''): ConfigKey[] {
  const keys: ConfigKey[] = [];
  for (const [name, member] of Object.entries(shapeOf(schema) ?? {})) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    keys.push({
      key,
      description: descriptionOf(member),
      default: defaultOf(member),
      type: typeOf(member),
      isOptional: member instanceof z.ZodOptional,
      isDuration: isDuration(member),
    });
    keys.push(...schemaKeys(member, key));
  }
  return keys;
}

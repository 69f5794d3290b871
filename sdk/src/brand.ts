/**
 * Definitions are recognised by a `Symbol.for` brand and not by `instanceof`, since a plugin may bundle its own copy of
 * the SDK.
 */
export type DefinitionKind = 'plugin' | 'topic' | 'worker' | 'table' | 'table-writer' | 'poller' | 'simulation';

const BRAND = Symbol.for('@pipeline-host/sdk/definition');

/** Mixed into every definition; holds what it is. */
export interface Branded<Kind extends DefinitionKind> {
  readonly [BRAND]: Kind;
}

/** The same object with its brand; frozen, since a definition is data. */
export function brand<Kind extends DefinitionKind, Definition extends object>(
  kind: Kind,
  definition: Definition,
): Definition & Branded<Kind> {
  return Object.freeze({ ...definition, [BRAND]: kind });
}

/** What a value is, or null where it is not a definition. */
export function definitionKind(value: unknown): DefinitionKind | null {
  if (typeof value !== 'object' || value === null || !(BRAND in value)) return null;
  return value[BRAND] as DefinitionKind;
}

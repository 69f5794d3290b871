/**
 * Definitions are recognised by a `Symbol.for` brand and not by `instanceof`, since a plugin may bundle its own copy of
 * the SDK.
 */
export type DefinitionKind = 'plugin' | 'topic' | 'worker' | 'table' | 'table-writer' | 'poller' | 'simulation';

const BRAND = Symbol.for('@pipeline-host/sdk/definition');
const GIVEN_KEYS = Symbol.for('@pipeline-host/sdk/given-keys');

/** Mixed into every definition; holds what it is. */
export interface Branded<Kind extends DefinitionKind> {
  readonly [BRAND]: Kind;
}

/**
 * The same object with its brand; frozen, since a definition is data.
 *
 * @param options what the author gave: its keys are remembered, so that the host can name a misspelled one
 */
export function brand<Kind extends DefinitionKind, Definition extends object>(
  kind: Kind,
  definition: Definition,
  options: unknown,
): Definition & Branded<Kind> {
  const keys = typeof options === 'object' && options !== null ? Object.keys(options) : [];
  return Object.freeze({ ...definition, [BRAND]: kind, [GIVEN_KEYS]: keys });
}

/** What a value is, or null where it is not a definition. */
export function definitionKind(value: unknown): DefinitionKind | null {
  if (typeof value !== 'object' || value === null || !(BRAND in value)) return null;
  return value[BRAND] as DefinitionKind;
}

/** The keys of the options that a definition was made with; none where its copy of the SDK did not remember them. */
export function givenKeys(definition: object): readonly string[] {
  return GIVEN_KEYS in definition ? (definition[GIVEN_KEYS] as readonly string[]) : [];
}

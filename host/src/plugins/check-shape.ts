import { definitionKind, type PipelineError } from '@pipeline-host/sdk';
import { didYouMean, nearest } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import type { Part, Shape } from './definition-shape.ts';
import { fault } from './fault.ts';

/**
 * Faults of an object that an author wrote: keys that do not exist, keys that are missing, values of the wrong kind. One
 * a mistake: a key that is missing because it is misspelled counts once.
 *
 * @param given the keys that the author wrote; the object itself may have others
 */
export function checkShape(value: object, given: readonly string[], shape: Shape, place: string, path = ''): PipelineError[] {
  const known = Object.keys(shape);
  const unknown = given.filter((key) => !known.includes(key));
  const meant = unknown.map((key) => nearest(key, known));
  return [
    ...unknown.map((key) => {
      const hint = didYouMean(key, known, `remove it; the keys are ${list(known)}`);
      return fault('PH_PLUGIN_DEFINITION', `unknown key "${path}${key}"`, place, hint);
    }),
    ...Object.entries(shape).flatMap(([key, part]) => {
      const one: unknown = (value as Readonly<Record<string, unknown>>)[key];
      if (one !== undefined && one !== null) return checkPart(one, part, place, `${path}${key}`);
      if (!part.required || meant.includes(key)) return [];
      const message = given.includes(key) ? `${path}${key} is ${one}` : `${path}${key} is missing`;
      return [fault('PH_PLUGIN_DEFINITION', message, place, `give it ${part.expected}`)];
    }),
  ];
}

function checkPart(value: unknown, part: Part, place: string, path: string): PipelineError[] {
  if (!part.is(value)) {
    const hint = didYouMean(typeof value === 'string' ? value : '', part.choices ?? [], `give it ${part.expected}`);
    return [fault('PH_PLUGIN_DEFINITION', `${path} is ${describe(value)}, not ${part.expected}`, place, hint)];
  }
  // Decoded boundary: `is` says that it is a list or an object where there are parts of it to check.
  const { element, shape } = part;
  if (shape !== undefined) return checkShape(value as object, Object.keys(value as object), shape, place, `${path}.`);
  if (element === undefined) return [];
  return Object.entries(value as object).flatMap(([key, one]) =>
    checkPart(one, element, place, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`),
  );
}

function describe(value: unknown): string {
  const kind = definitionKind(value);
  if (kind !== null) return `a ${kind}`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

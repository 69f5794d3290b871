/** The way to a setting: keys from the root of the config. */
export type SettingPath = readonly string[];

/** `plugins.weather.topics["events.raw"].name`: as messages and `config explain` show it. */
export function formatPath(path: SettingPath): string {
  return path.reduce((text, key) => (/^[\w-]+$/.test(key) ? `${text}${text === '' ? '' : '.'}${key}` : `${text}["${key}"]`), '');
}

/** The segments of a JSON pointer, as schema checkers report places. */
export function fromPointer(pointer: string): SettingPath {
  return pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export type PlainObject = Record<string, unknown>;

/** A list or a value is one setting; only plain objects have keys of their own. */
export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** Every setting below a value: what is not an object, and objects without keys. */
export function* settingsOf(value: unknown, path: SettingPath = []): Generator<{ readonly path: SettingPath; readonly value: unknown }> {
  if (!isPlainObject(value) || (Object.keys(value).length === 0 && path.length > 0)) {
    yield { path, value };
    return;
  }
  for (const [key, below] of Object.entries(value)) if (below !== undefined) yield* settingsOf(below, [...path, key]);
}

/** Sets a value in place and makes the objects on the way. A value that is in the way is replaced. */
export function setAt(root: PlainObject, path: SettingPath, value: unknown): void {
  const last = path.at(-1);
  if (last === undefined) return;
  let target = root;
  for (const key of path.slice(0, -1)) {
    const next = Object.hasOwn(target, key) ? target[key] : undefined;
    if (isPlainObject(next)) target = next;
    else {
      const made: PlainObject = {};
      put(target, key, made);
      target = made;
    }
  }
  put(target, last, value);
}

/** The value at a path, or undefined. */
export function getAt(root: unknown, path: SettingPath): unknown {
  let value = root;
  for (const key of path) {
    if (!isPlainObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** Whether a path is a setting or leads into it. */
export function isWithin(path: SettingPath, setting: SettingPath): boolean {
  return setting.every((key, index) => path[index] === key);
}

/** Takes out the setting at a path, in place. Where it is not there, the nearest around it. */
export function removeAt(root: PlainObject, path: SettingPath): void {
  for (let length = path.length; length > 0; length--) {
    const around = length === 1 ? root : getAt(root, path.slice(0, length - 1));
    const key = path[length - 1] ?? '';
    if (!isPlainObject(around) || !Object.hasOwn(around, key)) continue;
    delete around[key];
    return;
  }
}

/** Keys such as `__proto__` come from files and must stay plain keys. */
function put(target: PlainObject, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

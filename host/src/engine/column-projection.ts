import type { ColumnExpression, ColumnSource } from '@pipeline-host/sdk';
import { identifier, literal, type RowProjection } from '../delta/index.ts';

/** What `trim` takes for blank at the ends of a text. */
const BLANK = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)";

export interface ColumnProjection {
  readonly projection: RowProjection;
  /** Paths of the fields that are read as text and not below as well. */
  readonly texts: readonly string[];
}

/** A table writer's columns as SQL over the messages of a block. */
export function columnProjection(columns: Readonly<Record<string, ColumnSource>>): ColumnProjection {
  const paths = new MessagePaths(Object.values(columns).flatMap(({ expression }) => pathsOf(expression)));
  return {
    projection: {
      message: paths.structure(),
      columns: Object.fromEntries(Object.entries(columns).map(([column, { expression }]) => [column, sqlOf(expression, paths)])),
      form: 'text',
    },
    texts: paths.texts(),
  };
}

type Read = { readonly path: string; readonly as: 'VARCHAR' | 'JSON' };

function pathsOf(expression: ColumnExpression): readonly Read[] {
  switch (expression.kind) {
    case 'text':
      return [{ path: expression.path, as: 'VARCHAR' }];
    case 'json':
    case 'joined':
      return [{ path: expression.path, as: 'JSON' }];
    case 'message':
    case 'constant':
    case 'written-at':
      return [];
    case 'first-of':
    case 'concat':
      return expression.of.flatMap(pathsOf);
    case 'last-part':
    case 'day':
    case 'sha1':
    case 'sha256':
    case 'uuid5':
      return pathsOf(expression.of);
  }
}

interface Node {
  readonly children: Map<string, Node>;
  as: 'VARCHAR' | 'JSON' | null;
}

/** The fields that are read, so that each message is parsed once, into a struct of just those. */
class MessagePaths {
  readonly #root: Node = { children: new Map(), as: null };

  constructor(reads: readonly Read[]) {
    for (const { path, as } of reads) {
      const node = this.#node(path);
      node.as = as === 'JSON' || node.as === 'JSON' ? 'JSON' : 'VARCHAR';
    }
  }

  #node(path: string): Node {
    let node = this.#root;
    for (const name of path.split('.')) {
      const child = node.children.get(name) ?? { children: new Map(), as: null };
      node.children.set(name, child);
      node = child;
    }
    return node;
  }

  texts(): readonly string[] {
    const textsOf = ({ children, as }: Node, path: string): readonly string[] =>
      children.size === 0 && as === 'VARCHAR'
        ? [path]
        : [...children].flatMap(([name, child]) => textsOf(child, path === '' ? name : `${path}.${name}`));
    return textsOf(this.#root, '');
  }

  /** As `from_json` takes it. A field that is read itself and below is an object there. */
  structure(): object {
    const structureOf = ({ children }: Node): object =>
      Object.fromEntries([...children].map(([name, child]) => [name, child.children.size > 0 ? structureOf(child) : child.as]));
    return structureOf(this.#root);
  }

  /** The value as text; of an object or a list its JSON. */
  text(path: string): string {
    const { children, as } = this.#node(path);
    if (children.size > 0) return `json_extract_string(line, ${jsonPath(path)})`;
    return as === 'JSON' ? `(${field(path)} ->> '$')` : field(path);
  }

  json(path: string): string {
    return this.#node(path).children.size > 0 ? `nullif(json_extract(line, ${jsonPath(path)}), 'null'::JSON)` : field(path);
  }
}

function field(path: string): string {
  return ['message', ...path.split('.').map(identifier)].join('.');
}

function jsonPath(path: string): string {
  return literal(['$', ...path.split('.').map((name) => JSON.stringify(name))].join('.'));
}

/** SQL of a text, or of null. */
function sqlOf(expression: ColumnExpression, paths: MessagePaths): string {
  switch (expression.kind) {
    case 'text':
      return unlessBlank(paths.text(expression.path));
    case 'json':
      return `CAST(${paths.json(expression.path)} AS VARCHAR)`;
    case 'message':
      return 'original';
    case 'joined':
      return joinedTexts(paths.json(expression.path), expression.separator);
    case 'last-part':
      return `nullif(trim(split_part(${sqlOf(expression.of, paths)}, ${literal(expression.separator)}, -1), ${BLANK}), '')`;
    case 'day':
      return dayOf(sqlOf(expression.of, paths));
    case 'first-of':
      return `coalesce(${expression.of.map((one) => sqlOf(one, paths)).join(', ')})`;
    case 'concat':
      return `(${expression.of.map((one) => sqlOf(one, paths)).join(' || ')})`;
    case 'sha1':
    case 'sha256':
      return `${expression.kind}(${sqlOf(expression.of, paths)})`;
    case 'uuid5':
      return uuid5(expression.namespace, sqlOf(expression.of, paths));
    case 'constant':
      return literal(expression.value);
    case 'written-at':
      return 'written_at';
  }
}

/** A text that begins beyond the blank is not looked through: nearly all do. */
function unlessBlank(sql: string): string {
  return `CASE WHEN ${sql} < '!' AND trim(${sql}, ${BLANK}) = '' THEN NULL ELSE ${sql} END`;
}

function joinedTexts(json: string, separator: string): string {
  const isText = `lambda one: json_type(one) = 'VARCHAR' AND trim(one ->> '$', ${BLANK}) <> ''`;
  const texts = `list_transform(list_filter(CAST(${json} AS JSON[]), ${isText}), lambda one: one ->> '$')`;
  const list = `nullif(array_to_string(${texts}, ${literal(separator)}), '')`;
  return `CASE json_type(${json}) WHEN 'ARRAY' THEN ${list} WHEN 'VARCHAR' THEN ${unlessBlank(`(${json} ->> '$')`)} END`;
}

/** What is no instant stays as it is, for the column to refuse. */
function dayOf(instant: string): string {
  const converted = `coalesce(strftime(CAST(TRY_CAST(${instant} AS TIMESTAMPTZ) AS TIMESTAMP), '%Y-%m-%d'), ${instant})`;
  return `CASE WHEN ends_with(${instant}, 'Z') THEN left(${instant}, 10) ELSE ${converted} END`;
}

function uuid5(namespace: string, name: string): string {
  const digest = `sha1(unhex(${literal(namespace.replaceAll('-', ''))}) || encode(${name}))`;
  const variant = `substr('89ab', (instr('0123456789abcdef', substr(${digest}, 17, 1)) - 1) % 4 + 1, 1)`;
  const parts = [
    `substr(${digest}, 1, 8)`,
    `substr(${digest}, 9, 4)`,
    `'5' || substr(${digest}, 14, 3)`,
    `${variant} || substr(${digest}, 18, 3)`,
    `substr(${digest}, 21, 12)`,
  ];
  return `(${parts.join(" || '-' || ")})`;
}

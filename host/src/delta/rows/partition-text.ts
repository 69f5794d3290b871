import { literal, type SchemaField } from '../schema/column-type.ts';
import { encodeSegment } from './partition-value.ts';

/** Bytes that the name of a folder may have, on every file system and in every store. */
const LONGEST_FOLDER = 255;
/** A byte becomes so many: `%2F`. */
const ENCODED_BYTES = 3;
/** No number, date or time is longer, nor what stands for null. */
const OTHER_VALUE_BYTES = 64;

/** Whether texts name the folders of the column's partitions: of any length, where all other values are short. */
export function isPartitionText(partitionBy: readonly string[], { name, type }: Pick<SchemaField, 'name' | 'type'>): boolean {
  return type === 'string' && partitionBy.includes(name);
}

/** SQL of a text as its partition keeps it: the empty text means null to every reader (PROTOCOL.md "Partition Value Serialization"). */
export function storedText(text: string): string {
  return `nullif(CAST(${text} AS VARCHAR), '')`;
}

/** SQL of the converted value of a text; it fails for a text that no folder can be named for. A short one is not encoded to find out. */
export function convertInFolder(column: string, text: string, converted: string): string {
  const room = LONGEST_FOLDER - nameBytes(column);
  const exceeds = `strlen(${text}) > ${Math.floor(room / ENCODED_BYTES)} AND strlen(url_encode(${text})) > ${room}`;
  const reason = `${literal(`column ${column} `)} || ${folderRefusal(column, text)}`;
  return `CASE WHEN ${exceeds} THEN CAST(error(${reason}) AS VARCHAR) ELSE ${converted} END`;
}

/** SQL that says why no folder can be named for a text; null for one that has room. */
export function folderRefusal(column: string, text: string): string {
  const bytes = `(${nameBytes(column)} + strlen(url_encode(${text})))`;
  const reason = `'names its partition''s folder with ' || ${bytes} || ' bytes, and at most ${LONGEST_FOLDER} are allowed'`;
  return `CASE WHEN ${bytes} > ${LONGEST_FOLDER} THEN ${reason} END`;
}

/** Whether even a short value would have no room behind the column's name. */
export function isTooLongForFolders(column: string): boolean {
  return nameBytes(column) + OTHER_VALUE_BYTES > LONGEST_FOLDER;
}

function nameBytes(column: string): number {
  return `${encodeSegment(column)}=`.length;
}

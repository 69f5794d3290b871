import { deltaError } from '../delta-errors.ts';
import type { SchemaField, SchemaType } from '../schema/column-type.ts';
import type { MetaData, Protocol } from './actions.ts';

/** Features of others' tables that a reader must know, and that we honour. */
const READER_FEATURES: ReadonlySet<string> = new Set(['deletionVectors', 'timestampNtz', 'vacuumProtocolCheck']);
/** Features that any writer, an appending one too, must honour, and that we do. */
const WRITER_FEATURES: ReadonlySet<string> = new Set([
  'appendOnly',
  'deletionVectors',
  'domainMetadata',
  'invariants',
  'timestampNtz',
  'vacuumProtocolCheck',
]);

/** The protocol of the tables that we make without deletion vectors: every reader and writer of Delta knows it. */
export const PLAIN_PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 };

/** The protocol of tables with deletion vectors; a writer of version 7 lists also what version 2 implies. */
export const VECTOR_PROTOCOL: Protocol = {
  minReaderVersion: 3,
  minWriterVersion: 7,
  readerFeatures: ['deletionVectors'],
  writerFeatures: ['deletionVectors', 'appendOnly', 'invariants'],
};
/** The property that lets writers make deletion vectors. */
export const VECTORS_ENABLED = 'delta.enableDeletionVectors';

/** Properties that switch on what we do not do: value → the feature's name in the refusal. */
const REFUSED_PROPERTIES: readonly (readonly [property: string, accepted: readonly string[], feature: string])[] = [
  ['delta.columnMapping.mode', ['none'], 'columnMapping'],
  ['delta.enableChangeDataFeed', ['false'], 'changeDataFeed'],
  ['delta.enableInCommitTimestamps', ['false'], 'inCommitTimestamp'],
  ['delta.enableRowTracking', ['false'], 'rowTracking'],
];

/** Throws `PH_DELTA_PROTOCOL`, naming each feature that we would have to know to read the table rightly. */
export function checkReadable(table: string, protocol: Protocol, metaData: MetaData): void {
  const refused: string[] = [];
  if (protocol.minReaderVersion > 3) refused.push(`reader version ${protocol.minReaderVersion}`);
  if (protocol.minReaderVersion === 2 && (metaData.configuration?.['delta.columnMapping.mode'] ?? 'none') !== 'none')
    refused.push('columnMapping');
  if (protocol.minReaderVersion === 3) refused.push(...(protocol.readerFeatures ?? []).filter((feature) => !READER_FEATURES.has(feature)));
  if (metaData.format?.provider !== 'parquet') refused.push(`format ${metaData.format?.provider}`);
  refuse(table, 'read', refused);
}

/** Throws `PH_DELTA_PROTOCOL`, naming each feature that a writer must honour and we do not. */
export function checkWritable(table: string, protocol: Protocol, metaData: MetaData, fields: readonly SchemaField[]): void {
  checkReadable(table, protocol, metaData);
  const refused: string[] = [];
  const version = protocol.minWriterVersion;
  if (version > 7 || (version > 2 && version < 7)) refused.push(`writer version ${version}`);
  if (version === 7) refused.push(...(protocol.writerFeatures ?? []).filter((feature) => !WRITER_FEATURES.has(feature)));
  const configuration = metaData.configuration ?? {};
  for (const [property, accepted, feature] of REFUSED_PROPERTIES) {
    const value = configuration[property];
    if (value !== undefined && !accepted.includes(value.toLowerCase())) refused.push(feature);
  }
  for (const property of Object.keys(configuration))
    if (property.startsWith('delta.constraints.')) refused.push(`checkConstraints (${property.slice('delta.constraints.'.length)})`);
  for (const { path, metadata } of fieldsWithin(fields)) {
    for (const key of Object.keys(metadata)) {
      if (key === 'delta.invariants') refused.push(`invariants on column ${path}`);
      if (key === 'delta.generationExpression') refused.push(`generatedColumns (${path})`);
      if (key.startsWith('delta.identity.')) refused.push(`identityColumns (${path})`);
    }
  }
  refuse(table, 'written', [...new Set(refused)]);
}

/** Each field and those within it, with its dotted path. */
function* fieldsWithin(fields: readonly SchemaField[], prefix = ''): Generator<{ readonly path: string; readonly metadata: object }> {
  for (const { name, type, metadata } of fields) {
    const path = prefix + name;
    yield { path, metadata: metadata ?? {} };
    yield* fieldsOfType(type, `${path}.`);
  }
}

function* fieldsOfType(type: SchemaType, prefix: string): Generator<{ readonly path: string; readonly metadata: object }> {
  if (typeof type === 'string') return;
  if (type.type === 'struct') yield* fieldsWithin(type.fields, prefix);
  else if (type.type === 'array') yield* fieldsOfType(type.elementType, `${prefix}element.`);
  else {
    yield* fieldsOfType(type.keyType, `${prefix}key.`);
    yield* fieldsOfType(type.valueType, `${prefix}value.`);
  }
}

/** Whether writers may make deletion vectors. Where they may not, those of the past still count. */
export function hasDeletionVectors(protocol: Protocol, metaData: MetaData): boolean {
  return (protocol.writerFeatures ?? []).includes('deletionVectors') && metaData.configuration?.[VECTORS_ENABLED]?.toLowerCase() === 'true';
}

/** Whether the table's property forbids to remove rows. */
export function isAppendOnly(metaData: MetaData): boolean {
  return metaData.configuration?.['delta.appendOnly']?.toLowerCase() === 'true';
}

function refuse(table: string, verb: 'read' | 'written', refused: readonly string[]): void {
  if (refused.length > 0)
    throw deltaError('PH_DELTA_PROTOCOL', table, `the table ${table} cannot be ${verb}: it uses ${refused.join(', ')}`);
}

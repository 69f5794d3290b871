/**
 * What engines do with tables of deletion vectors (Delta reader version 3, writer version 7): versions that were tried, or
 * that the engine's documentation names.
 */
interface EngineSupport {
  readonly engine: string;
  readonly reads: string;
  readonly writes: string;
}

export const VECTOR_ENGINES: readonly EngineSupport[] = [
  {
    engine: 'any engine of Delta reader version 1 or 2, writer version below 7',
    reads: 'no longer',
    writes: 'no longer',
  },
  { engine: 'Spark with Delta Lake', reads: 'from 2.3 on, no longer below', writes: 'from 2.4 on, no longer below' },
  {
    engine: 'delta-rs (Python deltalake)',
    reads: 'by QueryBuilder; no longer by to_pandas(), to_pyarrow_table(), to_pyarrow_dataset(); count() counts replaced rows',
    writes: 'yes; never run vacuum(full=True), which deletes deletion vectors in use',
  },
  { engine: "DuckDB's delta extension", reads: 'yes (1.5.5)', writes: 'untried' },
  { engine: 'polars', reads: 'yes (2.1.0)', writes: 'untried' },
  { engine: 'Fabric SQL endpoint', reads: 'yes', writes: 'never' },
];

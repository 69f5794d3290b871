import type { CompactionRule, DeltaTable } from '../../delta/index.ts';

export type MaintenanceAction = 'optimize' | 'checkpoint' | 'clean-log' | 'vacuum';

export interface MaintenanceSettings {
  /** Files that OPTIMIZE would put together from which on it does. */
  readonly smallFiles: number;
  readonly rule: CompactionRule;
}

/** What one action did; null where there was nothing to do. */
export interface Done {
  /** Files that the table, its log or its folder has no more. */
  readonly files: number;
  readonly text: string;
}

/**
 * The actions in their order: what OPTIMIZE takes out is the vacuum's after the retention, and a log is cut at a checkpoint.
 * `vacuum` lists the whole folder, so it is for the caller to ask for it now and then.
 */
export const MAINTENANCE: Readonly<
  Record<MaintenanceAction, (table: DeltaTable, settings: MaintenanceSettings, signal: AbortSignal) => Promise<Done | null>>
> = {
  optimize: async (table, { smallFiles, rule }, signal) => {
    const plan = table.planOptimize(rule);
    if (plan.files < smallFiles && plan.purgedFiles === 0) return null;
    const { filesRemoved, filesAdded, vectorsPurged, version } = await table.optimize({ ...rule, signal });
    const text = `files: ${filesRemoved} became ${filesAdded}, deletion vectors purged: ${vectorsPurged}, version: ${version}`;
    return filesRemoved === 0 ? null : { files: filesRemoved, text };
  },
  checkpoint: async (table) => {
    if (!(await table.isCheckpointOverdue())) return null;
    const { version } = await table.checkpoint();
    return { files: 0, text: `version: ${version}` };
  },
  'clean-log': async (table, _settings, signal) => {
    const { files, oldestVersion } = await table.cleanLog({ signal });
    return files.length === 0 ? null : { files: files.length, text: `files deleted: ${files.length}, oldest version: ${oldestVersion}` };
  },
  vacuum: async (table, _settings, signal) => {
    const { files, bytes } = await table.vacuum({ signal });
    return files.length === 0 ? null : { files: files.length, text: `files deleted: ${files.length}, bytes: ${bytes}` };
  },
};

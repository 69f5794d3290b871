import { basename } from 'node:path';

/** Where a setting came from. */
export type Origin =
  | { readonly kind: 'flag'; readonly flag: string }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'plugin'; readonly plugin: string }
  | { readonly kind: 'default' };

/** As messages and `config explain` show it. */
export function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return `flag ${origin.flag}`;
    case 'environment':
      return `environment ${origin.variable}`;
    case 'file':
      return `file ${basename(origin.file)}`;
    case 'plugin':
      return `default of plugin ${origin.plugin}`;
    case 'default':
      return 'default';
  }
}

// docs/configuration.md, generated from the schema. A unit test compares the page with this, so it cannot drift.

import { configSchema, isReloadable } from './schema.ts';
import { type ConfigKey, schemaKeys } from './schema-walk.ts';

function section(key: ConfigKey): string {
  if (key.type === 'table' && key.default === undefined) return `## \`[${key.key}]\`\n\n${key.description}\n`;
  const defaultText =
    key.default === undefined
      ? key.isOptional
        ? 'optional'
        : 'required'
      : `default \`${JSON.stringify(key.default)}\``;
  const reload = isReloadable(key.key) ? 'SIGHUP reloads it' : 'needs a restart';
  return `### \`${key.key}\`\n\n${key.description}\n\n${key.type}; ${defaultText}; ${reload}.\n`;
}

export function configurationReference(): string {
  const head = [
    '# Configuration',
    '',
    '<!-- Generated from src/config/schema.ts by `npm run docs`; do not edit. -->',
    '',
    'Rookery reads one TOML file: `rookery serve --config FILE`. Every key has a default; without a file the server',
    'listens on loopback only. `--set key=value` overrides a key (may be repeated). `rookery config check` tells what is',
    'wrong with a file, `rookery config show` prints what is in effect. Sizes are written as `"50 MiB"` or bytes,',
    'durations as `"30 min"` or seconds.',
    '',
  ];
  return `${head.join('\n')}\n${schemaKeys(configSchema).map(section).join('\n')}`;
}

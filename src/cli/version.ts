import { readBuildInfo } from './build-info.ts';
import { type Command, EXIT } from './command.ts';
import { parseFlags } from './parse-flags.ts';

const options = { json: { help: 'Print one JSON object.' } };

export const version: Command = {
  name: 'version',
  summary: 'print the version, the commit and the runtime',
  help: {
    synopsis: ['version [--json]', '--version'],
    description: ['Prints the version, its commit and build date, and the version of Node.js that runs it.'],
    examples: [{ text: 'For a bug report:', command: 'logforge version' }],
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options);
    const info = readBuildInfo();
    const line = `logforge ${info.version} (commit ${info.commit}, built ${info.buildDate}, node ${info.node})`;
    io.stdout.write(`${values.json ? JSON.stringify(info) : line}\n`);
    return EXIT.ok;
  },
};

/** @file `flow cache`: what the store holds, whether it is whole, and what may go. */
import type { CommandGroup } from './command.ts'

export const cacheCommands: CommandGroup = {
  name: 'cache',
  summary: 'Look at the store, check it, and make room in it.',
  subcommands: {
    ls: async () => (await import('./cache-ls.ts')).cacheLsCommand,
    du: async () => (await import('./cache-du.ts')).cacheDuCommand,
    verify: async () => (await import('./cache-verify.ts')).cacheVerifyCommand,
    gc: async () => (await import('./cache-gc.ts')).cacheGcCommand,
    pin: async () => (await import('./cache-pin.ts')).cachePinCommand,
    unpin: async () => (await import('./cache-pin.ts')).cacheUnpinCommand,
    export: async () => (await import('./cache-archive.ts')).cacheExportCommand,
    import: async () => (await import('./cache-archive.ts')).cacheImportCommand,
  },
}

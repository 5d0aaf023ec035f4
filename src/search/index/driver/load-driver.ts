import type { Driver, DriverName } from './driver.ts';

/**
 * The SQLite of Node where it has FTS5 (from 22.16 on), else the one in WebAssembly, which is loaded only then. Undefined when
 * neither can be loaded.
 */
export async function loadDriver(wanted?: DriverName): Promise<Driver | undefined> {
  if (wanted !== 'node-sqlite3-wasm') {
    const { nodeDriver } = await import('./node-sqlite.ts');
    const driver = nodeDriver();
    if (driver !== undefined || wanted !== undefined) return driver;
  }
  try {
    const { wasmDriver } = await import('./wasm-sqlite.ts');
    return await wasmDriver();
  } catch {
    // The package is not part of this installation, as in a bundle.
    return undefined;
  }
}

import { vi } from 'vitest';

/** Runs a command in this process, with what it prints. */
export async function withOutput(
  command: () => Promise<number>,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  let stdout = '';
  let stderr = '';
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      stdout += text;
      return true;
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += text;
      return true;
    }),
  ];
  try {
    return { code: await command(), stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

import { signal } from '@preact/signals';
import type { VNode } from 'preact';

const KEY = 'tasktrail-theme';
const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

const theme = signal<Theme>(stored());

theme.subscribe((value) => {
  if (value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // SecurityError: the browser keeps nothing for this page.
  }
});

export function ThemeButton(): VNode {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system';
  return (
    <button
      type="button"
      class="icon"
      aria-label={`Colours: ${theme.value}. Change to ${next}`}
      title={`Colours: ${theme.value}`}
      onClick={() => {
        theme.value = next;
      }}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="5.5" />
        <path
          d={
            theme.value === 'light'
              ? 'M8 8'
              : theme.value === 'dark'
                ? 'M8 2.5a5.5 5.5 0 0 1 0 11Z M8 2.5a5.5 5.5 0 0 0 0 11Z'
                : 'M8 2.5a5.5 5.5 0 0 1 0 11Z'
          }
          class="fill"
        />
      </svg>
    </button>
  );
}

function stored(): Theme {
  try {
    return THEMES.find((one) => one === localStorage.getItem(KEY)) ?? 'system';
  } catch {
    return 'system';
  }
}

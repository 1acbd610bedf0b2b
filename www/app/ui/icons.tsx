// Icons as strokes on a grid of 24, so that they take the colour of the text around them.

const PATHS = {
  menu: 'M4 7h16M4 12h16M4 17h16',
  plus: 'M12 5v14M5 12h14',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM20 20l-4-4',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M8 8h8v8H8Z',
  copy: 'M9 9h10v11H9ZM5 15V4h10',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  refresh: 'M20 11a8 8 0 1 0-2.3 6.3M20 4v7h-7',
  edit: 'M4 20h4L19 9l-4-4L4 16ZM13 7l4 4',
  branch: 'M7 4v16M7 13c0-4 10-1 10-7M17 6V4M15 6h4',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  down: 'M12 5v14M6 13l6 6 6-6',
  close: 'M6 6l12 12M18 6L6 18',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  model: 'M12 3l8 5v8l-8 5-8-5V8ZM12 12l8-4M12 12v9M12 12L4 8',
  gauge: 'M4 17a8.5 8.5 0 1 1 16 0M12 15l4-5',
  file: 'M6 3h8l4 4v14H6ZM14 3v5h4',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7L12 17',
  lock: 'M6 11h12v9H6ZM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  warn: 'M12 4l9 16H3ZM12 10v4M12 17v.5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark of this page: a cut gem. */
export function Gem() {
  return (
    <svg class="gem" viewBox="0 0 32 32" aria-hidden="true">
      <path class="gem-a" d="M9 5h14l6 8-13 15L3 13Z" />
      <path class="gem-b" d="M9 5l2.5 8H3ZM23 5l-2.5 8H29Z" />
      <path class="gem-c" d="M9 5h14l-2.5 8h-9Z" />
      <path class="gem-d" d="M11.500 13h9L16 28Z" />
    </svg>
  );
}

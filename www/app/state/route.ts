// The screen that is shown, as part of the address, so that reloading and going back do what people expect.

import { signal } from '@preact/signals';

export type Route = { readonly screen: 'home' } | { readonly screen: 'models' } | { readonly screen: 'chat'; readonly id: string };

function parse(hash: string): Route {
  const [, screen, id] = hash.split('/');
  if (screen === 'models') return { screen };
  if (screen === 'chat' && id) return { screen, id };
  return { screen: 'home' };
}

export const route = signal<Route>(parse(location.hash));
/** The drawer of narrow screens. */
export const drawer = signal(false);

export function hrefOf(to: Route): string {
  if (to.screen === 'home') return '#/';
  return to.screen === 'chat' ? `#/chat/${to.id}` : '#/models';
}

export function go(to: Route): void {
  drawer.value = false;
  if (location.hash !== hrefOf(to)) location.hash = hrefOf(to);
  route.value = to;
}

window.addEventListener('hashchange', () => {
  drawer.value = false;
  route.value = parse(location.hash);
});

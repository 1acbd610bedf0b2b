// The package, as tests/browser/page/page.js puts it on the test page.

type GemmaWeb = typeof import('../../www/lib/index.js');

declare var gemmaWeb: GemmaWeb;

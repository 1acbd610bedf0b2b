// No rule and no plugin: webpack follows the worker and the wasm by itself.
import webpack from 'webpack';

const config = {
  mode: 'production',
  entry: './page.js',
  experiments: { outputModule: true },
  // Its bound on assets is below the size of the wasm.
  performance: { hints: false },
  output: { path: `${import.meta.dirname}/dist`, filename: 'page.js', module: true, clean: true },
};
webpack(config, (error, stats) => {
  if (error ?? stats?.hasErrors() ?? true) throw error ?? new Error(stats?.toString('errors-warnings'));
  if (stats.hasWarnings()) throw new Error(stats.toString('errors-warnings'));
});

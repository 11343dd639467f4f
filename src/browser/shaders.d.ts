/** Made by scripts/shaders.mjs: the text of each file in shaders/, by its name without the ending. */
export declare const SHADERS: Readonly<Record<string, string>>;

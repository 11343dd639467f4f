/** Batched matrix product, in terms of product.ts. */
export { product as matmul, type Transposed } from "./shared/product.js";

/** The thread that reads images: to check them, and to make batches. */
import { serve } from "./pool.js";
import { handle } from "./tasks.js";

serve(handle);

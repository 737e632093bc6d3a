import { defineComponent } from "convex/server";
import drawer from "../drawer/convex.config.ts";

const shelf = defineComponent("shelf");
shelf.use(drawer);

export default shelf;

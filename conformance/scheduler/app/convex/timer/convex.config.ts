import { defineComponent } from "convex/server";

const timer = defineComponent("timer");

export default timer;

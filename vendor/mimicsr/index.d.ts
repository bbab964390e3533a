export * from "../../dist";

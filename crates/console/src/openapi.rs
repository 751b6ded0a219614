//! The OpenAPI document, made from the list of routes.

use crate::routes::{Need, ROUTES, Route};
use serde_json::{Map, Value, json};

/// The OpenAPI 3.1 document of `/api/v1`.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let operation = operation(route);
        let entry = paths.entry(format!("/api/v1{}", route.path)).or_insert_with(|| json!({}));
        entry[route.method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Tongban 通办", "version": env!("CARGO_PKG_VERSION"),
                  "description": "错误一律为 {\"error\":{\"code\",\"message\",\"faults\"}}:code 供程序判断,message 说明怎样改正。" },
        "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } } },
        "security": [{ "bearer": [] }],
        "paths": paths,
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let needs = match route.needs {
        Need::Nothing => "无须登录",
        Need::One(permission) => permission.chinese(),
    };
    let mut operation = json!({
        "summary": route.summary,
        "x-permission": needs,
        "parameters": parameters,
        "responses": { "200": { "description": "成功:已落盘" }, "401": { "description": "未登录" }, "403": { "description": "岗位没有这项权限,或须动态口令" },
                       "409": { "description": "现在不能办,说明原因" }, "422": { "description": "内容有误,逐项说明" } },
    });
    if !route.body.is_empty() {
        let properties: Map<String, Value> =
            route.body.iter().map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
        operation["requestBody"] = json!({ "content": { "application/json": { "schema": { "type": "object", "properties": properties } } } });
    }
    operation
}

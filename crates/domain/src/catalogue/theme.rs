//! What people come for (主题): the headings under which the national platform lays out items, one list for natural persons and one
//! for bodies.
//!
//! # Source
//! GB/T 39554.2-2020, elements 面向自然人事项主题分类 and 面向法人事项主题分类.

/// 面向自然人事项主题分类, in the order of the list.
pub const FOR_PERSONS: [&str; 30] = [
    "生育收养",
    "户籍办理",
    "民族宗教",
    "教育科研",
    "入伍服役",
    "就业创业",
    "设立变更",
    "准营准办",
    "职业资格",
    "抵押质押",
    "婚姻登记",
    "优待抚恤",
    "规划建设",
    "住房保障",
    "社会保障",
    "证件办理",
    "交通出行",
    "旅游观光",
    "出境入境",
    "消费维权",
    "公共安全",
    "司法公证",
    "知识产权",
    "环保绿化",
    "文化体育",
    "公用事业",
    "医疗卫生",
    "离职退休",
    "死亡殡葬",
    "其他",
];

/// 面向法人事项主题分类, in the order of the list.
pub const FOR_BODIES: [&str; 33] = [
    "设立变更",
    "准营准办",
    "资质认证",
    "年检年审",
    "税收财务",
    "人力资源",
    "社会保障",
    "投资审批",
    "融资信贷",
    "抵押质押",
    "商务贸易",
    "招标拍卖",
    "海关口岸",
    "涉外服务",
    "农林牧渔",
    "国土和规划建设",
    "交通运输",
    "环保绿化",
    "应急管理",
    "水务气象",
    "医疗卫生",
    "科技创新",
    "文体教育",
    "知识产权",
    "民族宗教",
    "质量技术",
    "检验检疫",
    "安全生产",
    "公安消防",
    "档案文物",
    "司法公证",
    "法人注销",
    "其他",
];

pub fn is_known(theme: &str) -> bool {
    FOR_PERSONS.contains(&theme) || FOR_BODIES.contains(&theme)
}

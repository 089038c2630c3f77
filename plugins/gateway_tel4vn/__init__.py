"""TEL4VN's PBX (`tel4vn-v1`). What several of its products share stands in modules beside this one."""

# Alertmanager reads no environment: this puts what .env says into deploy/alertmanager/alertmanager.yml, for deploy/compose/setup.
# Without an address of Slack nothing is sent there; without a mail server all mail goes where the file says, to maildev.

function quoted(text) { gsub(/'/, "''", text); return "'" text "'" }
function set(value) { $0 = substr($0, 1, index($0, ":")) " " value }

BEGIN {
  slack = ENVIRON["SLACK_WEBHOOK_URL"]
  host = ENVIRON["SMTP_SMARTHOST"]; user = ENVIRON["SMTP_USERNAME"]
  from = ENVIRON["SMTP_FROM"]; to = ENVIRON["SMTP_TO"]
}

# A block is what stands deeper than its head.
{ match($0, /^ */); indent = RLENGTH }
inside && indent > depth { next }
{ inside = 0 }
/^ *slack_configs:/ && slack == "" { inside = 1; depth = indent; next }

/^ *smtp_smarthost:/ && host != "" {
  set(quoted(host)); print
  if (user != "") {
    pad = sprintf("%" indent "s", "")
    print pad "smtp_auth_username: " quoted(user)
    print pad "smtp_auth_password_file: /identity/smtp.password"
  }
  next
}
/^ *smtp_require_tls:/ && host != "" { set("true") }
/^ *smtp_from:/ && from != "" { set(quoted(from)) }
/^ *(- *)?to:/ && to != "" { set(quoted(to)) }
{ print }

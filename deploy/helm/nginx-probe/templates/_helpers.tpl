{{/* The name of the chart's objects. */}}
{{- define "nginx-probe.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of this release's objects. */}}
{{- define "nginx-probe.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "nginx-probe.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "nginx-probe.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The labels by which the pods are found: they never change. */}}
{{- define "nginx-probe.selector" -}}
app.kubernetes.io/name: {{ include "nginx-probe.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of every object. */}}
{{- define "nginx-probe.labels" -}}
{{ include "nginx-probe.selector" . }}
app.kubernetes.io/component: agent
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The service account's name. */}}
{{- define "nginx-probe.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "nginx-probe.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The image, by its digest where one is given. */}}
{{- define "nginx-probe.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The container's security context. */}}
{{- define "nginx-probe.securityContext" -}}
{{- $context := deepCopy .Values.securityContext }}
{{- if .Values.sysAdmin }}
{{- $_ := set $context.capabilities "add" (append $context.capabilities.add "SYS_ADMIN") }}
{{- end }}
{{- if not $context.seLinuxOptions }}
{{- $context = omit $context "seLinuxOptions" }}
{{- end }}
{{- if and .Values.appArmorProfile (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}
{{- $_ := set $context "appArmorProfile" (dict "type" .Values.appArmorProfile) }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- define "facepair.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Selector labels: (list . "serve") */}}
{{- define "facepair.selector" -}}
app.kubernetes.io/name: facepair
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "facepair.labels" -}}
{{ include "facepair.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end -}}

{{- define "facepair.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "facepair.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every pod of ours has: no token, no variables of services, which would look like options of ours. */}}
{{- define "facepair.pod" -}}
serviceAccountName: {{ .Release.Name }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ include "facepair.podSecurity" . | nindent 2 }}
{{- end -}}

{{/* Resources with GPUs: (list resources gpus) */}}
{{- define "facepair.resources" -}}
{{- $resources := deepCopy (index . 0) -}}
{{- if gt (int (index . 1)) 0 -}}
{{- $_ := set $resources.limits "nvidia.com/gpu" (index . 1) -}}
{{- end -}}
{{ toYaml $resources }}
{{- end -}}

{{/* Probes go to the metrics listener: it stands outside the limits of the public one, so load cannot fail them. */}}
{{- define "facepair.probes" -}}
startupProbe:
  httpGet: {path: /startupz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  failureThreshold: 1
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{- define "facepair.grace" -}}
{{ add .Values.shutdown.pauseSeconds .Values.shutdown.drainDelaySeconds .Values.shutdown.longestRequestSeconds 5 }}
{{- end -}}

{{- define "facepair.modelsClaim" -}}
{{ .Values.models.existingClaim | default (printf "%s-models" .Release.Name) }}
{{- end -}}

{{/* Control, or without it each pod, fills an empty models volume from the image; a model appears by a rename, whole, of whoever is
the first. */}}
{{- define "facepair.seedModels" -}}
- name: seed-models
  image: {{ include "facepair.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command:
    - bash
    - -euc
    - |
      cd /shared
      for source in /usr/share/facepair/face /usr/share/facepair/models/*; do
        target=${source#/usr/share/facepair/}
        [ ! -e "$target" ] || continue
        mkdir -p "$(dirname "$target")"
        seed=$(dirname "$target")/.seed-$HOSTNAME
        rm -rf "$seed"
        cp -r "$source" "$seed"
        sync -f "$seed"
        mv -T "$seed" "$target" || { [ -e "$target" ] && rm -rf "$seed"; }
      done
  resources:
    requests: {cpu: 100m, memory: 64Mi}
    limits: {cpu: "1", memory: 128Mi}
  securityContext: {{ include "facepair.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: models, mountPath: /shared}
{{- end -}}

{{/* DATA of control and of the trainer: a disk of the node's, with the shared models laid into it. */}}
{{- define "facepair.controlMounts" -}}
- {name: data, mountPath: /var/lib/facepair}
{{- if eq .Values.models.source "volume" }}
- {name: models, mountPath: /var/lib/facepair/models, subPath: models}
- {name: models, mountPath: /var/lib/facepair/face, subPath: face, readOnly: true}
{{- end }}
{{- end -}}

{{- define "facepair.controlVolumes" -}}
- name: data
  persistentVolumeClaim: {claimName: {{ .Release.Name }}-data}
{{- if eq .Values.models.source "volume" }}
- name: models
  persistentVolumeClaim: {claimName: {{ include "facepair.modelsClaim" . }}}
{{- end }}
{{- end -}}

{{/* Up at once, down slowly. */}}
{{- define "facepair.scaling" -}}
scaleUp:
  policies: [{type: Percent, value: 100, periodSeconds: 30}]
scaleDown:
  stabilizationWindowSeconds: 300
  policies: [{type: Percent, value: 25, periodSeconds: 60}]
{{- end -}}

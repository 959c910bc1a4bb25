# Runs every *.Tests.ps1 beside this script against the built module, and leaves the counts in -Report.
param(
    [string] $Path = $PSScriptRoot,
    [string] $Report
)
$ErrorActionPreference = 'Stop'
Import-Module Pester -MinimumVersion 5.5

$configuration = New-PesterConfiguration
$configuration.Run.Path = $Path
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Detailed'
$run = Invoke-Pester -Configuration $configuration

if ($Report) {
    $remarks = @(
        foreach ($failure in @($run.Failed) + @($run.FailedBlocks) + @($run.FailedContainers)) {
            "FAILED $($failure.ExpandedPath ?? $failure.Item): $(("$($failure.ErrorRecord[0])" -split "`n")[0].Trim())"
        }
        foreach ($test in @($run.Skipped) + @($run.Inconclusive) + @($run.NotRun)) {
            "SKIPPED $($test.ExpandedPath)"
        }
    )
    @{
        Passed  = $run.PassedCount
        Failed  = $run.FailedCount + $run.FailedBlocksCount + $run.FailedContainersCount
        Skipped = $run.SkippedCount + $run.InconclusiveCount + $run.NotRunCount
        Remarks = $remarks
    } | ConvertTo-Json | Set-Content -LiteralPath $Report
}
exit $run.FailedCount
